"""Lesion detection: connected components of the reference against connected components of the prediction.

Voxels that share a face, an edge or a corner belong to one component (26-neighbourhood). A component of the reference
is found where at least `FOUND_SHARE` of its voxels are predicted; a component of the prediction is false where less
than that share of its voxels lies in the reference. So one large prediction may detect many lesions, and one that
merely touches a lesion detects none. Lesion sensitivity = found / components of the reference; lesion precision =
components of the prediction that are not false / all of them; lesion F1 = their harmonic mean. Terms as in Maier-Hein
et al., "Metrics Reloaded", Nature Methods 21 (2024), which asks for neighbourhood and share to be stated with the
scores.
"""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.volumes.bounding_box import bounding_box

FOUND_SHARE = 0.1
COLUMNS = ("fold", "case", "class", "of", "piece", "volume_ml", "overlap", "verdict", "x_mm", "y_mm", "z_mm")
"""Columns of lesions.csv: `of` is reference or prediction, `piece` counts components from the largest, `overlap` is the
share of the component covered by the other mask, `verdict` found, missed, right or false; x, y, z: its centre in RAS+
mm."""

LESION_SCORES = ("lesion_sensitivity", "lesion_precision", "lesion_f1")
LESION_COUNTS = ("lesions_reference", "lesions_found", "lesions_prediction", "lesions_false")


@dataclass(frozen=True, eq=False)
class Pieces:
    """The connected components of one mask, largest first: voxels, share covered by the other mask (0..1), centre (n,
    3) in voxel indices."""

    voxels: np.ndarray
    overlap: np.ndarray
    centre: np.ndarray


def pieces(mask: np.ndarray, other: np.ndarray) -> Pieces:
    """The components of `mask`. `mask`, `other`: bool (x, y, z) of one shape. Raises InputError for others.

    >>> mask = np.array([[[True, True, False, True]]])
    >>> other = np.array([[[True, False, False, False]]])
    >>> both = pieces(mask, other)
    >>> both.voxels.tolist(), both.overlap.tolist(), both.centre.tolist()
    ([2, 1], [0.5, 0.0], [[0.0, 0.0, 0.5], [0.0, 0.0, 3.0]])
    """
    if mask.shape != other.shape or mask.ndim != 3:
        raise InputError(f"masks to compare must have one 3D shape, found {mask.shape} and {other.shape}")
    if mask.dtype != bool or other.dtype != bool:
        raise InputError(f"masks must be of type bool, found {mask.dtype} and {other.dtype}")
    box = bounding_box(mask)
    numbers, count = ndimage.label(mask[box], np.ones((3, 3, 3)))
    inside = np.nonzero(numbers)
    labels = numbers[inside]
    voxels = np.bincount(labels, minlength=count + 1)[1:]
    covered = np.bincount(labels, weights=other[box][inside], minlength=count + 1)[1:]
    sums = [np.bincount(labels, weights=axis, minlength=count + 1)[1:] for axis in inside]
    centre = np.stack(sums, axis=-1) / voxels[:, None] + [side.start for side in box]
    order = np.lexsort((*centre.T, -voxels))  # equal sizes ordered by position, independent of the labelling
    return Pieces(voxels[order], covered[order] / voxels[order], centre[order])


def lesion_scores(reference: Pieces, prediction: Pieces) -> dict[str, float]:
    """LESION_COUNTS and LESION_SCORES (see `scores_of_counts`) of one case.

    >>> mask = np.array([[[True, True, False, True]]])
    >>> other = np.array([[[True, False, False, False]]])
    >>> scores = lesion_scores(pieces(mask, other), pieces(other, mask))
    >>> scores["lesions_reference"], scores["lesions_found"], scores["lesions_false"], scores["lesion_sensitivity"]
    (2, 1, 0, 0.5)
    """
    detected, right = int(_covered(reference).sum()), int(_covered(prediction).sum())
    counts = (len(reference.voxels), detected, len(prediction.voxels), len(prediction.voxels) - right)
    return dict(zip(LESION_COUNTS, counts, strict=True)) | scores_of_counts(*counts)


def scores_of_counts(reference: float, found: float, prediction: float, false: float) -> dict[str, float]:
    """LESION_SCORES from the LESION_COUNTS of one case, or of all cases together.

    Without components a ratio is undefined (NaN); where only one of the masks has components, F1 is 0.

    >>> scores_of_counts(reference=2, found=1, prediction=4, false=2)
    {'lesion_sensitivity': 0.5, 'lesion_precision': 0.5, 'lesion_f1': 0.5}
    """
    sensitivity, precision = _share(found, reference), _share(prediction - false, prediction)
    if found and prediction > false:
        f1 = 2 * sensitivity * precision / (sensitivity + precision)
    else:
        f1 = 0.0 if reference or prediction else float("nan")
    return dict(zip(LESION_SCORES, (sensitivity, precision, f1), strict=True))


def lesion_rows(
    fold: int, case: str, class_name: str, *, reference: Pieces, prediction: Pieces, affine: np.ndarray
) -> list[dict]:
    """One row per component with the keys COLUMNS. `affine`: 4x4 from voxel indices to RAS+ mm.

    >>> mask = np.array([[[True, False, False]]])
    >>> one, none = pieces(mask, mask), pieces(~mask & mask, mask)
    >>> affine = np.diag([10.0, 10.0, 20.0, 1.0])
    >>> (row,) = lesion_rows(0, "case_1", "infection", reference=one, prediction=none, affine=affine)
    >>> round(float(row["volume_ml"]), 6), row["verdict"]
    (2.0, 'found')
    """
    voxel_ml = abs(np.linalg.det(affine[:3, :3])) / 1000
    rows = []
    for side, components, verdicts in (
        ("reference", reference, ("missed", "found")),
        ("prediction", prediction, ("false", "right")),
    ):
        centres = components.centre @ affine[:3, :3].T + affine[:3, 3]
        covered = _covered(components)
        for piece, centre in enumerate(centres):
            verdict = verdicts[int(covered[piece])]
            values = (components.voxels[piece] * voxel_ml, components.overlap[piece], verdict, *centre)
            rows.append(dict(zip(COLUMNS, (fold, case, class_name, side, piece + 1, *values), strict=True)))
    return rows


def _covered(components: Pieces) -> np.ndarray:
    return components.overlap >= FOUND_SHARE


def _share(part: float, whole: float) -> float:
    return part / whole if whole else float("nan")
