"""One case, reference against prediction: rows of the score table (one per class and group), lesions, counts."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import reduce

import numpy as np

from pneumoseg.data_io.console import log
from pneumoseg.data_io.datasets.dataset import named
from pneumoseg.data_io.errors import InputError, nearest
from pneumoseg.data_io.volumes.bounding_box import bounding_box
from pneumoseg.data_io.volumes.grid_limits import ORTHOGONAL_COSINE
from pneumoseg.data_io.volumes.labels import LUNG_LABELS, LabelTable
from pneumoseg.data_io.volumes.volume import Volume, on_grid_of
from pneumoseg.evaluation.measures import lesions, overlap, ranking, surface
from pneumoseg.evaluation.measures.overlap import MaskCounts

SURFACE_SCORES = ("hd95_mm", "assd_mm", "nsd", "hd_mm")
"""Columns of the boundary scores. The background has none: its surface is that of the other classes."""

DIFFERENCES = ("volume_difference_ml", "volume_difference_percent")

SCORES = (*overlap.OVERLAP_SCORES, *SURFACE_SCORES, *DIFFERENCES, "auc", *lesions.LESION_SCORES)
"""Columns that hold a score: what is averaged over cases."""

VOLUMES = ("volume_reference_ml", "volume_prediction_ml")

REQUIRED_COLUMNS = ("fold", "case", "class", *overlap.OVERLAP_SCORES, *SURFACE_SCORES[:3], *VOLUMES, "status")
"""The columns that every detailed table has, first and in this order: others' scripts read them."""

COLUMNS = (
    *(*REQUIRED_COLUMNS, "hd_mm", "nsd_tolerance_mm", *DIFFERENCES, "auc"),
    *(*lesions.LESION_COUNTS, *lesions.LESION_SCORES),
)
"""All columns of the detailed table, in order. Further columns come after `status`; older tables lack them."""

LUNG_GROUPS: dict[str, tuple[int, ...]] = {"lungs": (1, 2, 3)}
"""Groups scored as one mask, for `volumes.labels.LUNG_LABELS`: left lung, right lung and infection together."""

LESIONS = ("infection",)
"""Classes that come in separate pieces, which are counted one by one."""

LUNGS_DEFINITION = (
    "lungs = left lung + right lung + infection scored as one mask, because an infected voxel is lung too. It is not "
    'the same quantity as the "lungs" of publications, which may leave infected voxels out or average the two sides.'
)
"""Stands beside every score of the group `lungs` that is shown to a reader: see `lungs_definition`."""

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
    "auc": "Area under the receiver operating characteristic of the class's probability over all voxels (Hanley & "
    "McNeil 1982), ties counting half; where probabilities were given. Near 1 for every small structure.",
    "lesions_reference": "Connected pieces of the reference (voxels that share a face, an edge or a corner).",
    "lesions_found": f"Pieces of the reference of which at least {lesions.FOUND_SHARE:.0%} were predicted.",
    "lesions_prediction": "Connected pieces of the prediction.",
    "lesions_false": f"Pieces of the prediction of which less than {lesions.FOUND_SHARE:.0%} lie in the reference.",
    "lesion_sensitivity": "Part of the reference's pieces that was found. Each piece counts alike, whatever its size.",
    "lesion_precision": "Part of the prediction's pieces that is not false.",
    "lesion_f1": "Harmonic mean of lesion sensitivity and lesion precision; 0 where only one of the masks has pieces.",
    "volume_reference_ml": "Volume of the reference mask in millilitres.",
    "volume_prediction_ml": "Volume of the predicted mask in millilitres.",
    "status": "ok; reference_empty or prediction_empty (Dice, IoU and NSD are 0, surface distances the diagonal of the "
    "volume); both_empty (all of these are undefined).",
}
"""What each column means, for readers of the report. TP, FP, FN, TN count voxels."""


def default_groups(labels: LabelTable) -> dict[str, tuple[int, ...]]:
    """LUNG_GROUPS where the table has the lung classes of LUNG_LABELS at their numbers, otherwise no groups."""
    return dict(LUNG_GROUPS) if labels.names[:4] == LUNG_LABELS.names else {}


def lungs_definition(classes: Iterable[str]) -> str:
    """LUNGS_DEFINITION where the classes of a score table hold `lungs` and its members; "" where they do not: a class
    of one's own may bear that name."""
    return LUNGS_DEFINITION if {*LUNG_GROUPS, *LUNG_LABELS.names[1:]} <= set(classes) else ""


def check_tolerances(tolerances_mm: Mapping[str, float] | None, labels: LabelTable) -> None:
    """Raises InputError where one belongs to nothing that has a surface: no class but the background, no group."""
    valid = (*labels.names[1:], *default_groups(labels))
    for name in tolerances_mm or ():
        if name not in valid:
            raise InputError(f"a tolerance belongs to a class or group, found {name}{nearest(name, valid)}")


@dataclass(frozen=True, eq=False)
class CaseScores:
    """`rows`: of the score table, keys COLUMNS; `lesions`: one row per piece, keys `lesions.COLUMNS`; `confusion`:
    voxels by reference and predicted class, int64 (classes, classes)."""

    rows: list[dict]
    lesions: list[dict]
    confusion: np.ndarray


def score_case(
    case: str,
    fold: int,
    reference: Volume,
    *,
    prediction: Volume,
    labels: LabelTable,
    tolerances_mm: Mapping[str, float] | None = None,
    probabilities: Mapping[str, Volume] | None = None,
) -> CaseScores:
    """Scores one prediction: a row per class of `labels`, then one per group of `default_groups(labels)`.

    `reference`, `prediction`: uint8 class numbers in one place. `tolerances_mm`: of the surface Dice, by class or
    group, on top of `surface.TOLERANCES_MM`; a class without has no surface Dice. `probabilities`: by class, on the
    same grid, for the AUC. Pieces are counted of the LESIONS. Undefined scores are NaN (see `measures.overlap`,
    `measures.surface`, `measures.lesions`). Sheared grids, whose millimetres are not right, are warned of. Raises
    InputError where the volumes lie on different grids, hold labels outside the table, or where a class bears the name
    of a group.
    """
    with named(case):
        prediction = on_grid_of(reference, prediction, "reference and prediction")
    if reference.grid.largest_cosine > ORTHOGONAL_COSINE:
        log.warning(
            "case %s: the axes are not orthogonal (a tilted gantry?): surface distances are measured as if they were, "
            "so their millimetres are not right; resample the scan to a straight grid",
            case,
        )
    groups = default_groups(labels)
    tolerances_mm = {**surface.TOLERANCES_MM, **(tolerances_mm or {})}
    probabilities = probabilities or {}
    taken = sorted(set(groups) & set(labels.names))
    if taken:
        raise InputError(f"a class needs another name than the groups of classes, found {', '.join(taken)}; rename it")
    members = {name: (label,) for label, name in enumerate(labels.names)} | groups
    with named(case):
        matrix = overlap.confusion(reference.array, prediction.array, len(labels))
        masks = {name: overlap.mask_counts(matrix, group) for name, group in members.items()}
    # Everything from here on happens where there is anything but background.
    box = bounding_box((reference.array != 0) | (prediction.array != 0))
    affine = reference.grid.affine.copy()
    affine[:3, 3] += affine[:3, :3] @ [side.start for side in box]
    rows, lesion_rows = [], []
    for name, counts in masks.items():
        tolerance_mm = tolerances_mm.get(name, float("nan"))
        row = dict.fromkeys(COLUMNS, float("nan")) | {
            "fold": fold,
            "case": case,
            "class": name,
            **{score: formula(counts) for score, formula in overlap.OVERLAP_SCORES.items()},
            **_volumes(counts, reference.grid.voxel_volume_ml),
            "status": counts.status,
            "nsd_tolerance_mm": tolerance_mm,
        }
        if 0 not in members[name]:
            one, other = (_mask(volume.array[box], members[name]) for volume in (reference, prediction))
            if counts.status != "both_empty":
                found = surface.surface_distances(one, other, reference.spacing_mm, whole_shape=reference.grid.shape)
                row |= _surface_scores(found, tolerance_mm)
            if name in LESIONS:
                true, predicted = lesions.pieces(one, other), lesions.pieces(other, one)
                row |= lesions.lesion_scores(true, predicted)
                lesion_rows += lesions.lesion_rows(
                    fold, case, name, reference=true, prediction=predicted, affine=affine
                )
        if name in probabilities:
            with named(case):
                chances = on_grid_of(reference, probabilities[name], f"reference and probability of {name}")
            row["auc"] = ranking.roc_auc(_mask(reference.array, members[name]), chances.array)
        rows.append(row)
    return CaseScores(rows, lesion_rows, matrix)


def _mask(labels: np.ndarray, members: tuple[int, ...]) -> np.ndarray:
    return reduce(np.logical_or, (labels == label for label in members))


def _surface_scores(surfaces: surface.SurfaceDistances, tolerance_mm: float) -> dict[str, float]:
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
