"""Ranking of voxels by probabilities: the area under the receiver operating characteristic (ROC)."""

import numpy as np

from pneumoseg.data_io.errors import InputError


def roc_auc(reference: np.ndarray, scores: np.ndarray) -> float:
    """The probability that a voxel inside the reference has a higher score than one outside, ties counting half.

    `reference`: bool, `scores`: numbers of the same shape, higher meaning inside. Equal to the area under the ROC curve
    (Hanley & McNeil, Radiology 143, 1982). NaN where the reference is empty or fills the volume. Raises InputError for
    different shapes and for scores that are not finite.

    >>> reference = np.array([[True, True], [False, False]])
    >>> roc_auc(reference, np.array([[0.9, 0.4], [0.6, 0.1]]))
    0.75
    """
    if reference.shape != scores.shape or reference.dtype != bool:
        raise InputError(
            f"reference (bool) and scores need one shape, found {reference.dtype} {reference.shape} and {scores.shape}"
        )
    if not np.isfinite(scores).all():
        raise InputError("scores to rank must be finite, found NaN or infinity")
    # Maps have few distinct values (256 steps): counting each value avoids a comparison of pairs.
    values, place = np.unique(scores, return_inverse=True)
    place = place.ravel()
    inside = np.bincount(place[reference.ravel()], minlength=len(values))
    return auc_of_histograms(inside, np.bincount(place, minlength=len(values)) - inside)


def level_histograms(
    reference: np.ndarray, levels: np.ndarray, count: int, *, telling: np.ndarray | None = None
) -> np.ndarray:
    """Histograms of the levels that voxels have by class: uint32 (classes, 2, count), of each class the voxels inside
    the reference and those outside, as `auc_of_histograms` takes them.

    `reference`: class numbers (x, y, z); `levels`: unsigned whole numbers below `count`, (x, y, z, classes), the higher
    the more probable; `telling`: bool (labels, classes), by the label of a voxel whether it counts for each class, by
    default all. Raises InputError for different shapes.

    >>> level_histograms(np.array([[[0, 1]]]), np.array([[[[3, 0], [1, 2]]]], np.uint16), 4)[1].tolist()
    [[0, 0, 1, 0], [1, 0, 0, 0]]
    """
    if reference.shape != levels.shape[:-1]:
        raise InputError(f"reference and levels need one shape, found {reference.shape} and {levels.shape[:-1]}")
    histograms = np.zeros((levels.shape[-1], 2, count), np.uint32)
    for index in range(reference.shape[-1]):  # slice by slice: the 8-byte indices of a whole CT would take a gigabyte
        plane = reference[..., index].ravel()
        for label in range(len(histograms)):
            places = levels[..., index, label].ravel().astype(np.intp) + count * (plane != label)
            places = places if telling is None else places[telling[plane, label]]
            histograms[label] += np.bincount(places, minlength=2 * count).reshape(2, count).astype(np.uint32)
    return histograms


def auc_of_histograms(positives: np.ndarray, negatives: np.ndarray) -> float:
    """The area under the ROC curve from histograms: by the trapezoidal rule, so that voxels of one bin are ties.

    `positives`, `negatives`: numbers of voxels inside and outside the reference, (bins,) of one length, by score from
    low to high. Exact for scores that are quantised to the bins; histograms of several cases may be added up, which
    gives the area over all their voxels. NaN where there are no positives or no negatives. Raises InputError for other
    shapes and for negative counts.

    >>> auc_of_histograms(np.array([0, 1, 1]), np.array([1, 1, 0]))
    0.875
    """
    inside, outside = np.asarray(positives, np.float64), np.asarray(negatives, np.float64)
    if inside.ndim != 1 or inside.shape != outside.shape:
        raise InputError(f"histograms to rank have one length, found {inside.shape} and {outside.shape}")
    if (inside < 0).any() or (outside < 0).any():
        raise InputError(f"histograms hold counts, found {min(inside.min(), outside.min()):g}")
    if not inside.sum() or not outside.sum():
        return float("nan")
    below = np.cumsum(outside) - outside
    return float((inside * (below + outside / 2)).sum() / (inside.sum() * outside.sum()))
