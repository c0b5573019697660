"""One case, reference against prediction: rows of the score table (one per class and group), lesions, counts."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import reduce

import numpy as np

from pneumoseg.data_io.console import log
from pneumoseg.data_io.datasets.dataset import named
from pneumoseg.data_io.errors import InputError, nearest
from pneumoseg.data_io.formats.probability_levels import LEVELS
from pneumoseg.data_io.volumes.bounding_box import bounding_box
from pneumoseg.data_io.volumes.grid_limits import ORTHOGONAL_COSINE
from pneumoseg.data_io.volumes.labels import LabelTable
from pneumoseg.data_io.volumes.partial_labels import hidden_classes
from pneumoseg.data_io.volumes.volume import Volume, on_grid_of
from pneumoseg.evaluation.measures import lesions, overlap, ranking, surface
from pneumoseg.evaluation.measures.overlap import MaskCounts
from pneumoseg.evaluation.scoring.counted_masks import counted_masks, is_labelled, telling_labels
from pneumoseg.evaluation.scoring.mask_columns import COLUMNS, LESIONS, NOT_LABELLED, default_groups
from pneumoseg.evaluation.scoring.probability_histograms import class_areas


def check_tolerances(tolerances_mm: Mapping[str, float] | None, labels: LabelTable) -> None:
    """Raises InputError where one belongs to nothing that has a surface: no class but the background, no group."""
    valid = (*labels.names[1:], *default_groups(labels.names))
    for name in tolerances_mm or ():
        if name not in valid:
            raise InputError(f"a tolerance belongs to a class or group, found {name}{nearest(name, valid)}")


@dataclass(frozen=True, eq=False)
class CaseScores:
    """`rows`: of the score table, keys COLUMNS; `lesions`: one row per piece, keys `lesions.COLUMNS`; `confusion`:
    voxels by reference and predicted class, int64 (classes, classes); `histograms`: of the levels of the probabilities,
    uint32 (classes, 2, LEVELS) as of `ranking.level_histograms`, where these were given; `trust`: rows of
    `trust_table.trust_rows`, of a prediction with signals."""

    rows: list[dict]
    lesions: list[dict]
    confusion: np.ndarray
    histograms: np.ndarray | None = None
    trust: tuple[dict, ...] = ()


def score_case(
    case: str,
    fold: int,
    reference: Volume,
    *,
    prediction: Volume,
    labels: LabelTable,
    tolerances_mm: Mapping[str, float] | None = None,
    probabilities: Mapping[str, Volume] | None = None,
    levels: np.ndarray | None = None,
    valid: Volume | None = None,
    labelled: Collection[str] = (),
    source: str = "",
) -> CaseScores:
    """Scores one prediction: a row per class of `labels`, then one per group of `default_groups`.

    `reference`, `prediction`: uint8 class numbers in one place. `tolerances_mm`: of the surface Dice, by class or
    group, on top of `surface.TOLERANCES_MM`; a class without has no surface Dice. `probabilities`: by class, on the
    same grid, for the AUC; or `levels` of those of all classes, uint16 (x, y, z, classes) in the order of the
    reference's voxels (see `formats.probability_levels`). Pieces are counted of the LESIONS. Undefined scores are NaN
    (see `measures.overlap`, `measures.surface`, `measures.lesions`). Sheared grids, whose millimetres are not right,
    are warned of.

    `valid`: uint8, 0 where a voxel does not count: not in overlap, lesions, volumes and AUC, and for surfaces both
    masks are background there. `labelled`: the classes that the reference labels, none for all; a class or group that
    it does not tell from others has no score and the status NOT_LABELLED, and a prediction that it cannot deny is right
    (`counted_masks`). `source`: where the case comes from.

    Raises InputError where the volumes lie on different grids, hold labels outside the table, where a class has the
    name of a group, and as `partial_labels.hidden_classes`.
    """
    with named(case):
        hidden = hidden_classes(labels, labelled)
        counted = counted_masks(reference, prediction, hidden, valid=valid)
    reference, prediction = counted.reference, counted.prediction
    if reference.grid.largest_cosine > ORTHOGONAL_COSINE:
        log.warning(
            "case %s: the axes are not orthogonal (a tilted gantry?): surface distances are measured as if they were, "
            "so their millimetres are not right; resample the scan to a straight grid",
            case,
        )
    groups = default_groups(labels.names)
    tolerances_mm = {**surface.TOLERANCES_MM, **(tolerances_mm or {})}
    probabilities = probabilities or {}
    taken = sorted(set(groups) & set(labels.names))
    if taken:
        raise InputError(f"a class needs another name than the groups of classes, found {', '.join(taken)}; rename it")
    members = {name: (label,) for label, name in enumerate(labels.names)} | groups
    with named(case):
        matrix = overlap.confusion(reference.array, prediction.array, len(labels))
        matrix[0, 0] -= counted.ignored
        masks = {name: overlap.mask_counts(matrix, group) for name, group in members.items()}
    histograms, areas = None, {}
    if levels is not None:
        telling = np.stack([telling_labels([label], hidden) for label in range(len(labels))], axis=1)
        histograms = ranking.level_histograms(counted.truth, levels, LEVELS, telling=telling)
        areas = class_areas(histograms, labels.names)
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
            "jaccard_distance": overlap.jaccard_distance(counts),
            **_volumes(counts, reference.grid.voxel_volume_ml),
            "status": counts.status,
            "nsd_tolerance_mm": tolerance_mm,
            "auc": areas.get(name, float("nan")),
            "source": source,
        }
        if not is_labelled(members[name], hidden):
            keys = {key: row[key] for key in ("fold", "case", "class", "nsd_tolerance_mm", "source")}
            rows.append(dict.fromkeys(COLUMNS, float("nan")) | keys | {"status": NOT_LABELLED})
            continue
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
            known = telling_labels(members[name], hidden)[counted.truth]
            row["auc"] = ranking.roc_auc(_mask(counted.truth, members[name])[known], chances.array[known])
        rows.append(row)
    return CaseScores(rows, lesion_rows, matrix, histograms)


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
