"""One case, reference against prediction, to the rows of the score table: one per class and per group of classes."""

from collections.abc import Mapping

from data_io.errors import InputError
from data_io.labels import LUNG_LABELS, LabelTable
from data_io.volume import Volume
from evaluation import overlap

SURFACE_SCORES = ("hd95_mm", "assd_mm", "nsd")
"""Columns of the boundary scores."""

SCORES = (*overlap.OVERLAP_SCORES, *SURFACE_SCORES)
"""Columns that hold a score: what is averaged over cases."""

VOLUMES = ("volume_reference_ml", "volume_prediction_ml")

COLUMNS = ("fold", "case", "class", *SCORES, *VOLUMES, "status")
"""Columns of the detailed table, in order. Others' scripts read them: further columns come after `status`."""

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
    "distances between the surfaces. Lower is better.",
    "assd_mm": "Average symmetric surface distance in mm: the area-weighted mean distance over both surfaces. Lower is "
    "better.",
    "nsd": "Normalised surface Dice: the part of both surfaces, by area, that lies within a tolerance of the other. "
    "Higher is better, 0 to 1.",
    "volume_reference_ml": "Volume of the reference mask in millilitres.",
    "volume_prediction_ml": "Volume of the predicted mask in millilitres.",
    "status": "ok; reference_empty or prediction_empty (Dice and IoU are 0); both_empty (Dice and IoU are undefined).",
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
) -> list[dict]:
    """Scores one prediction: a row per class of `labels`, then one per group, each with exactly the keys COLUMNS.

    `reference`, `prediction`: uint8 class numbers on one grid. `groups`: classes taken as one mask, by name; None
    means `default_groups(labels)`. The surface scores are NaN as long as nothing computes them; undefined scores are
    NaN (see `evaluation.overlap`). Raises InputError where the two lie on different grids, hold labels outside the
    table, or where a group bears the name of a class or has a class that the table lacks.
    """
    _check_grids(case, reference, prediction)
    groups = default_groups(labels) if groups is None else groups
    taken = sorted(set(groups) & set(labels.names))
    if taken:
        raise InputError(f"a group needs a name that no class has, found {', '.join(taken)}")
    try:
        matrix = overlap.confusion(reference.array, prediction.array, len(labels))
        masks = {name: overlap.mask_counts(matrix, [label]) for label, name in enumerate(labels.names)}
        masks |= {name: overlap.mask_counts(matrix, members) for name, members in groups.items()}
    except InputError as error:
        raise InputError(f"case {case}: {error}") from error
    return [
        {
            "fold": fold,
            "case": case,
            "class": name,
            **{score: formula(counts) for score, formula in overlap.OVERLAP_SCORES.items()},
            **dict.fromkeys(SURFACE_SCORES, float("nan")),
            "volume_reference_ml": counts.reference * reference.grid.voxel_volume_ml,
            "volume_prediction_ml": counts.prediction * prediction.grid.voxel_volume_ml,
            "status": counts.status,
        }
        for name, counts in masks.items()
    ]


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
