"""One case, reference against prediction, to the rows of the score table: one per class and per group of classes."""

from collections.abc import Mapping
from functools import reduce

import numpy as np

from data_io.errors import InputError
from data_io.labels import LUNG_LABELS, LabelTable
from data_io.volume import Volume
from evaluation import overlap, surface
from evaluation.overlap import MaskCounts

SURFACE_SCORES = ("hd95_mm", "assd_mm", "nsd", "hd_mm")
"""Columns of the boundary scores. The background has none: its surface is that of the other classes."""

DIFFERENCES = ("volume_difference_ml", "volume_difference_percent")

SCORES = (*overlap.OVERLAP_SCORES, *SURFACE_SCORES, *DIFFERENCES)
"""Columns that hold a score: what is averaged over cases."""

VOLUMES = ("volume_reference_ml", "volume_prediction_ml")

REQUIRED_COLUMNS = ("fold", "case", "class", *overlap.OVERLAP_SCORES, *SURFACE_SCORES[:3], *VOLUMES, "status")
"""The columns that every detailed table has, first and in this order: others' scripts read them."""

COLUMNS = (*REQUIRED_COLUMNS, "hd_mm", "nsd_tolerance_mm", *DIFFERENCES)
"""All columns of the detailed table, in order. Further columns come after `status`; older tables lack them."""

LUNG_GROUPS: dict[str, tuple[int, ...]] = {"lungs": (1, 2, 3)}
"""Groups scored as one mask, for `data_io.labels.LUNG_LABELS`: left lung, right lung and infection together."""

LUNGS_DEFINITION = (
    "lungs = left lung + right lung + infection scored as one mask, because an infected voxel is lung too. It is not "
    'the same quantity as the "lungs" of publications, which may leave infected voxels out or average the two sides.'
)
"""Stands beside every score of `lungs` that is shown to a reader."""

DEFINITIONS: dict[str, str] = {
    "dice": "Dice similarity coefficient, 2 TP / (2 TP + FP + FN). Higher is better, 0 to 1.",
    "iou": "Intersection over union (Jaccard index), TP / (TP + FP + FN). Higher is better, 0 to 1.",
    "sensitivity": "Part of the reference that was found (recall), TP / (TP + FN). Higher is better, 0 to 1.",
    "specificity": "Part of the rest that was left alone, TN / (TN + FP). Near 1 for every small structure.",
    "precision": "Part of the prediction that is right, TP / (TP + FP). Higher is better, 0 to 1.",
    "accuracy": "Part of all voxels that is right, (TP + TN) / all. Near 1 for every small structure.",
    "hd95_mm": "95 % Hausdorff distance in mm: the larger of the two directed, area-weighted 95th percentiles of the "
    "distances between the surfaces (Nikolov et al. 2021, as surface-distance computes it; tools that pool the two "
    "directions or do not weigh by area give other numbers). Lower is better.",
    "assd_mm": "Average symmetric surface distance in mm: the area-weighted mean distance over both surfaces taken "
    "together (elements and areas of Nikolov et al. 2021). Lower is better.",
    "nsd": "Normalised surface Dice: the part of both surfaces, by area, that lies within a tolerance of the other "
    "(Nikolov et al. 2021). The tolerance belongs to the number: it stands beside it. Higher is better, 0 to 1.",
    "hd_mm": "Hausdorff distance in mm: the largest distance from any point of one surface to the other; a single "
    "stray voxel decides it. Lower is better.",
    "nsd_tolerance_mm": "The tolerance of the class's normalised surface Dice in mm.",
    "volume_difference_ml": "Volume of the prediction less that of the reference in millilitres; above 0 is too much.",
    "volume_difference_percent": "Volume of the prediction less that of the reference in percent of the latter; "
    "undefined where the reference is empty.",
    "volume_reference_ml": "Volume of the reference mask in millilitres.",
    "volume_prediction_ml": "Volume of the predicted mask in millilitres.",
    "status": "ok; reference_empty or prediction_empty (Dice, IoU and NSD are 0, surface distances the diagonal of the "
    "volume); both_empty (all of these are undefined).",
}
"""What each column means, for readers of the report. TP, FP, FN, TN count voxels."""


def default_groups(labels: LabelTable) -> dict[str, tuple[int, ...]]:
    """LUNG_GROUPS where the table has the lung classes of LUNG_LABELS at their numbers, otherwise no groups."""
    return dict(LUNG_GROUPS) if labels.names[:4] == LUNG_LABELS.names else {}


def score_case(
    case: str,
    fold: int,
    reference: Volume,
    prediction: Volume,
    labels: LabelTable,
    groups: Mapping[str, tuple[int, ...]] | None = None,
    tolerances_mm: Mapping[str, float] | None = None,
) -> list[dict]:
    """Scores one prediction: a row per class of `labels`, then one per group, each with exactly the keys COLUMNS.

    `reference`, `prediction`: uint8 class numbers on one grid. `groups`: classes taken as one mask, by name; None
    means `default_groups(labels)`. `tolerances_mm`: of the surface Dice, by class or group; None means
    `surface.TOLERANCES_MM`; a class without has no surface Dice. Undefined scores are NaN (see `evaluation.overlap`,
    `evaluation.surface`). Raises InputError where the two lie on different grids, hold labels outside the table, or
    where a group bears the name of a class or has a class that the table lacks.
    """
    _check_grids(case, reference, prediction)
    groups = default_groups(labels) if groups is None else groups
    tolerances_mm = surface.TOLERANCES_MM if tolerances_mm is None else tolerances_mm
    taken = sorted(set(groups) & set(labels.names))
    if taken:
        raise InputError(f"a group needs a name that no class has, found {', '.join(taken)}")
    members = {name: (label,) for label, name in enumerate(labels.names)} | dict(groups)
    try:
        matrix = overlap.confusion(reference.array, prediction.array, len(labels))
        masks = {name: overlap.mask_counts(matrix, group) for name, group in members.items()}
    except InputError as error:
        raise InputError(f"case {case}: {error}") from error
    rows = []
    for name, counts in masks.items():
        tolerance_mm = tolerances_mm.get(name, float("nan"))
        row = {
            "fold": fold,
            "case": case,
            "class": name,
            **{score: formula(counts) for score, formula in overlap.OVERLAP_SCORES.items()},
            **_surface_scores(reference, prediction, members[name], counts, tolerance_mm),
            **_volumes(counts, reference.grid.voxel_volume_ml),
            "status": counts.status,
            "nsd_tolerance_mm": tolerance_mm,
        }
        rows.append({column: row[column] for column in COLUMNS})
    return rows


def _surface_scores(
    reference: Volume, prediction: Volume, members: tuple[int, ...], counts: MaskCounts, tolerance_mm: float
) -> dict[str, float]:
    if 0 in members or counts.status == "both_empty":
        return dict.fromkeys(SURFACE_SCORES, float("nan"))
    one, other = (
        reduce(np.logical_or, (volume.array == label for label in members)) for volume in (reference, prediction)
    )
    surfaces = surface.surface_distances(one, other, reference.spacing_mm)
    return {
        "hd95_mm": surface.hausdorff_95_mm(surfaces),
        "assd_mm": surface.average_distance_mm(surfaces),
        "nsd": float("nan") if np.isnan(tolerance_mm) else surface.surface_dice(surfaces, tolerance_mm),
        "hd_mm": surface.hausdorff_mm(surfaces),
    }


def _volumes(counts: MaskCounts, voxel_volume_ml: float) -> dict[str, float]:
    difference = counts.prediction - counts.reference
    return {
        "volume_reference_ml": counts.reference * voxel_volume_ml,
        "volume_prediction_ml": counts.prediction * voxel_volume_ml,
        "volume_difference_ml": difference * voxel_volume_ml,
        "volume_difference_percent": 100 * difference / counts.reference if counts.reference else float("nan"),
    }


def _check_grids(case: str, reference: Volume, prediction: Volume) -> None:
    if reference.grid.shape != prediction.grid.shape:
        raise InputError(
            f"case {case}: reference and prediction must have one shape, found {reference.grid.shape} and "
            f"{prediction.grid.shape} (axes turned to RAS+); resample the prediction to the reference's grid"
        )
    if not reference.grid.matches(prediction.grid):
        raise InputError(
            f"case {case}: reference and prediction must lie in the same place, but their affines differ by more than "
            "0.001 mm; resample the prediction to the reference's grid or correct its header"
        )
