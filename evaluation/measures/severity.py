"""Severity of the disease from a mask: infected share per lung, five categories, CT severity scores.

For research, not for diagnosis.
"""

from collections.abc import Sequence

import numpy as np

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.volumes.hounsfield import is_hu
from pneumoseg.data_io.volumes.labels import LabelTable
from pneumoseg.data_io.volumes.volume import Volume, on_grid_of
from pneumoseg.evaluation.measures.lung_sides import SIDES, LungSlices, infection_sides, lung_slices, percent_of
from pneumoseg.evaluation.measures.opacity import DEFAULT_LIMITS, OpacityLimits, opacity, opacity_definitions

RESEARCH_ONLY = "For research only: computed from masks, no diagnosis and no medical device."

CATEGORIES = ((0, "Low"), (20, "Mild"), (40, "Moderate"), (60, "Severe"), (80, "Critical"))
"""Lower limit (percent) and name of each category."""

HIGH_OPACITY_HU = -200.0
LOBES = 5
OUTSIDE_LOBES_PERCENT = 5.0
"""Largest share of the infection outside the lobes for which a lobe mask is accepted."""

_PAN = "Pan et al. 2020, Radiology 295:715-721"
DEFINITIONS = {
    "case": "Name of the case.",
    "lung_left_ml": "Volume of the left lung with the infection that lies in it (see infection_left_ml).",
    "lung_right_ml": "Volume of the right lung with the infection that lies in it (see infection_right_ml).",
    "infection_left_ml": "Volume of the infected voxels that are nearer to voxels labelled left lung than to those of "
    "the right (Euclidean distance in mm; where both are equally far, half of the voxel; all without a right lung); "
    "where hardly any of a lung is free of infection, some of its infection may be nearer to the other.",
    "infection_right_ml": "Volume of the infected voxels that are nearer to voxels labelled right lung than to those "
    "of the left (Euclidean distance in mm; where both are equally far, half of the voxel; all without a left lung); "
    "where hardly any of a lung is free of infection, some of its infection may be nearer to the other.",
    "lungs_ml": "Volume of both lungs and the infection together, as infection overwrites lung in the masks.",
    "infection_ml": "Volume of the infection.",
    "infected_percent_left": "infection_left_ml / lung_left_ml * 100; empty without a left lung.",
    "infected_percent_right": "infection_right_ml / lung_right_ml * 100; empty without a right lung.",
    "infected_percent": "infection_ml / lungs_ml * 100; empty without lungs.",
    "infection_mean_hu": "Mean of the CT over the infection; empty without infection or without a CT in HU.",
    "high_opacity_percent": "Share of the infection's voxels above -200 HU, the threshold of high opacity of Chaganti "
    "et al. 2020, Radiology: Artificial Intelligence 2:e200048 (who divide by the lung); empty without infection or "
    "without a CT in HU.",
    "category": "Category of infected_percent: Low 0-19, Mild 20-39, Moderate 40-59, Severe 60-79, Critical 80 and "
    "more (thesis 'GPU enabled CNN based COVID-19 HRCT images classifier', PSG Tech), made continuous: each begins at "
    "0, 20, 40, 60, 80 and ends just before the next, so that 19.99 is Low and 20 is Mild.",
    "ctsi_percent_over_4": "infected_percent / 4, 0..25, as the same thesis maps its score; no CTSI by lobes.",
    "ctsi_thirds": "No true CTSI but an approximation without lobes: each lung (infection included) is cut along z "
    "into three slabs of equal height between its lowest and highest slice, each of the six is scored 0..5 by its "
    "infected share with the edges of ctsi, and the sum 0..30 is scaled by 25/30; empty where a slab holds no lung.",
    "ctsi": "CT severity index 0..25: the sum over five lobes of 0 none, 1 below 5 %, 2 from 5 to 25 %, 3 26-49 %, 4 "
    f"from 50 to 75 %, 5 above 75 % infected ({_PAN}), made continuous: 3 is above 25 and below 50 %; empty without a "
    "lobe mask, where one of the lobes is absent, or where more than 5 % of the infection lies outside the lobes.",
    **opacity_definitions(DEFAULT_LIMITS),
    "remarks": "What is to be known about this row.",
}
"""Definition and source of each column of the table."""


def severity(
    mask: Volume,
    image: Volume | None,
    table: LabelTable,
    *,
    lungs: Sequence[int] = (1, 2),
    infection: int = 3,
    lobes: Volume | None = None,
    limits: OpacityLimits = DEFAULT_LIMITS,
) -> dict[str, float | str | None]:
    """The row of one case, columns as `DEFINITIONS` without `case`; undefined values are None.

    `mask`: class numbers (x, y, z) of `table`, in which infection overwrites lung; `lungs`: the labels of the left and
    the right lung; `image`: the CT in HU (windowed values give a remark and no HU facts); `lobes`:
    label map 0..5, one label per lobe in any order, infection included; `limits`: of ground glass and consolidation.
    A mask without any lung gives a row with volume and HU of the infection alone, and a remark.

    Raises InputError for labels outside the table or the lobes' 0..5, for `lungs` and `infection` that are not three
    classes of the table, and where the grids differ.

    >>> from pneumoseg.data_io.volumes.labels import LUNG_LABELS
    >>> mask = Volume.from_source(np.array([[[1]], [[3]], [[0]], [[2]]]), np.diag([10.0, 10.0, 10.0, 1.0]))
    >>> row = severity(mask, None, LUNG_LABELS)
    >>> round(row["infection_left_ml"], 6), row["infected_percent_left"], row["infected_percent_right"]
    (1.0, 50.0, 0.0)
    """
    labels, left, right = mask.array, *lungs
    _check_labels(labels, table, (left, right, infection))
    values = None if image is None else on_grid_of(mask, image, "mask and CT").array
    lobe_labels = None if lobes is None else on_grid_of(mask, lobes, "mask and lobe mask").array
    if lobe_labels is not None:
        _check_range(lobe_labels, LOBES + 1, "lobe mask")

    remarks: list[str] = []
    row: dict[str, float | str | None] = dict.fromkeys(name for name in DEFINITIONS if name != "case")
    infected = labels == infection
    row["infection_ml"] = float(np.count_nonzero(infected)) * mask.grid.voxel_volume_ml
    if values is not None and not is_hu(minimum := float(values.min()), maximum := float(values.max())):
        remarks.append(f"the CT is not in HU (values {minimum:g}..{maximum:g}): no HU facts")
        values = None
    if values is not None:
        row |= _density(values[infected])

    absent = [side for side, label in zip(SIDES, (left, right), strict=True) if not (labels == label).any()]
    if len(absent) == 2:
        remarks.append("no lung in the mask: no scores")
    else:
        if absent:
            (other,) = set(SIDES) - set(absent)
            remarks.append(f"no {absent[0]} lung in the mask: all infection counts as {other}")
        sides = infection_sides(labels, mask.spacing_mm, (left, right), infection=infection)
        both = lung_slices(labels, sides, (left, right))
        row |= _shares(both, mask.grid.voxel_volume_ml)
        if values is not None:
            row |= opacity(values[sides.box], sides, both, voxel_ml=mask.grid.voxel_volume_ml, limits=limits)
            if limits != DEFAULT_LIMITS:
                remarks.append(limits.words)
        thirds = [percent for lung in both for percent in lung.thirds()]
        row["ctsi_thirds"] = _summed(thirds)
        if None in thirds and not absent:
            remarks.append("a third of a lung's height holds no lung: no ctsi_thirds")
        if lobe_labels is not None:
            row["ctsi"] = _ctsi(lobe_labels, infected, remarks)
    row["remarks"] = "; ".join(remarks)
    return row


def category(percent: float) -> str:
    """The category of an infected percent 0..100: 19.99 is Low, 20 is Mild.

    >>> category(19.99), category(20)
    ('Low', 'Mild')
    """
    return [name for begin, name in CATEGORIES if percent >= begin][-1]


def extent_score(percent: float) -> int:
    """Score 0..5 of the infected percent of a lobe or region: 0 none, 1 below 5, 2 from 5 to 25 inclusive, 3 above 25
    and below 50, 4 from 50 to 75 inclusive, 5 above 75 (Pan et al. 2020, made continuous).

    >>> [extent_score(percent) for percent in (0, 1, 5, 26, 50, 76)]
    [0, 1, 2, 3, 4, 5]
    """
    return sum((percent > 0, percent >= 5, percent > 25, percent >= 50, percent > 75))


def _shares(both: tuple[LungSlices, LungSlices], voxel_ml: float) -> dict[str, float | str | None]:
    row: dict[str, float | str | None] = {}
    for side, lung in zip(SIDES, both, strict=True):
        row[f"lung_{side}_ml"] = float(lung.whole.sum()) * voxel_ml
        row[f"infection_{side}_ml"] = float(lung.infected.sum()) * voxel_ml
        row[f"infected_percent_{side}"] = lung.percent
    whole = float(sum(lung.whole.sum() for lung in both))
    percent = 100.0 * float(sum(lung.infected.sum() for lung in both)) / whole
    return row | {
        "lungs_ml": whole * voxel_ml,
        "infected_percent": percent,
        "category": category(percent),
        "ctsi_percent_over_4": percent / 4,
    }


def _density(hu: np.ndarray) -> dict[str, float]:
    if not hu.size:
        return {}
    dense = np.count_nonzero(hu > HIGH_OPACITY_HU)
    return {"infection_mean_hu": float(hu.mean(dtype=np.float64)), "high_opacity_percent": 100.0 * dense / hu.size}


def _ctsi(lobes: np.ndarray, infected: np.ndarray, remarks: list[str]) -> float | None:
    whole = [np.count_nonzero(lobes == lobe) for lobe in range(1, LOBES + 1)]
    inside = lobes[infected].astype(np.intp)
    counts = np.bincount(inside, minlength=LOBES + 1)
    if missing := [str(lobe) for lobe, size in enumerate(whole, start=1) if not size]:
        remarks.append(f"the lobe mask has no voxel of lobe {', '.join(missing)}: no ctsi")
        return None
    outside = percent_of(counts[0], inside.size) or 0.0
    if outside > OUTSIDE_LOBES_PERCENT:
        remarks.append(f"{outside:.1f} % of the infection lies outside the lobes: no ctsi")
        return None
    return _summed([percent_of(int(count), int(size)) for count, size in zip(counts[1:], whole, strict=True)])


def _summed(percents: Sequence[float | None]) -> float | None:
    """Sum of the scores of all regions, scaled to 0..25; None where a region is undefined."""
    scores = [extent_score(percent) for percent in percents if percent is not None]
    return 5 * LOBES * sum(scores) / (5 * len(percents)) if len(scores) == len(percents) else None


def _check_labels(labels: np.ndarray, table: LabelTable, classes: tuple[int, int, int]) -> None:
    if len(set(classes)) != 3 or not all(0 < label < len(table) for label in classes):
        raise InputError(
            f"left lung, right lung and infection are three different classes in 1..{len(table) - 1}, "
            f"found {', '.join(map(str, classes))}"
        )
    _check_range(labels, len(table), "mask")


def _check_range(labels: np.ndarray, count: int, role: str) -> None:
    values = np.unique(labels)
    wrong = values[~np.isin(values, np.arange(count))]
    if wrong.size:
        raise InputError(
            f"labels of a {role} must be 0..{count - 1}, found {', '.join(f'{one:g}' for one in wrong[:5])}"
        )
