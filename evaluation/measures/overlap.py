"""Overlap of two masks, from counts of voxels.

The voxels are counted once, into a confusion matrix; the scores of every class, and of any group of classes as one
mask, are ratios of its entries. Definitions: Taha & Hanbury, BMC Medical Imaging 15:29 (2015); Maier-Hein et al.,
"Metrics Reloaded", Nature Methods 21 (2024). TP, FP, FN, TN are numbers of voxels: true and false positives and
negatives of the prediction.

A score whose denominator is 0 is undefined and returned as NaN, never as 0 or 1. So where reference and prediction are
both empty, Dice, IoU, sensitivity and precision are undefined; where only one is empty, Dice and IoU are 0.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from pneumoseg.data_io.errors import InputError


def confusion(reference: np.ndarray, prediction: np.ndarray, classes: int) -> np.ndarray:
    """Counts voxels by their two labels: entry [r, p] is the number with reference label r and predicted label p.

    `reference`, `prediction`: integer arrays of one shape, labels 0 .. classes - 1. Returns int64 (classes, classes).
    Raises InputError for different shapes, other data types and other labels.

    >>> confusion(np.array([[0, 1], [1, 1]]), np.array([[0, 0], [1, 1]]), classes=2)
    array([[1, 0],
           [1, 2]])
    """
    if reference.shape != prediction.shape:
        raise InputError(f"masks to compare must have one shape, found {reference.shape} and {prediction.shape}")
    for role, labels in (("reference", reference), ("prediction", prediction)):
        if labels.dtype.kind not in "bui":
            raise InputError(f"labels must be whole numbers, found a {role} of type {labels.dtype}")
        lowest, highest = int(labels.min(initial=0)), int(labels.max(initial=0))
        if lowest < 0 or highest >= classes:
            raise InputError(f"labels must be 0..{classes - 1}, found {lowest}..{highest} in the {role}")
    counts = np.zeros(classes * classes, dtype=np.int64)
    for index in range(reference.shape[-1]):  # slice by slice: the 8-byte indices of a whole CT would take a gigabyte
        pairs = reference[..., index].astype(np.intp) * classes + prediction[..., index]
        counts += np.bincount(pairs.ravel(order="K"), minlength=classes * classes)
    return counts.reshape(classes, classes)


@dataclass(frozen=True)
class MaskCounts:
    """Numbers of voxels of one reference mask against one predicted mask."""

    true_positive: int
    false_positive: int
    false_negative: int
    true_negative: int

    @property
    def reference(self) -> int:
        """Voxels of the reference mask: TP + FN."""
        return self.true_positive + self.false_negative

    @property
    def prediction(self) -> int:
        """Voxels of the predicted mask: TP + FP."""
        return self.true_positive + self.false_positive

    @property
    def status(self) -> str:
        """Which mask is empty: "ok" (neither), "both_empty", "reference_empty" or "prediction_empty"."""
        if self.reference and self.prediction:
            return "ok"
        if self.reference:
            return "prediction_empty"
        return "reference_empty" if self.prediction else "both_empty"


def mask_counts(matrix: np.ndarray, members: Iterable[int]) -> MaskCounts:
    """Counts of the classes `members` as one mask, from a confusion matrix (classes, classes).

    Confusions within the group are no errors. Raises InputError for an empty group, a repeated class or a class that
    the matrix does not have.

    >>> matrix = np.array([[5, 0, 1], [0, 2, 1], [1, 1, 3]])
    >>> mask_counts(matrix, [2])
    MaskCounts(true_positive=3, false_positive=2, false_negative=2, true_negative=7)
    >>> mask_counts(matrix, [1, 2])
    MaskCounts(true_positive=7, false_positive=1, false_negative=1, true_negative=5)
    """
    members = list(members)
    if not members or len(set(members)) != len(members) or not all(0 <= label < len(matrix) for label in members):
        raise InputError(f"a group needs different classes from 0..{len(matrix) - 1}, found {members}")
    true_positive = int(matrix[np.ix_(members, members)].sum())
    false_negative = int(matrix[members, :].sum()) - true_positive
    false_positive = int(matrix[:, members].sum()) - true_positive
    true_negative = int(matrix.sum()) - true_positive - false_negative - false_positive
    return MaskCounts(true_positive, false_positive, false_negative, true_negative)


def dice(counts: MaskCounts) -> float:
    """Dice similarity coefficient, 2 TP / (2 TP + FP + FN), equal to the F1 score. NaN where both masks are empty.

    >>> dice(MaskCounts(true_positive=3, false_positive=2, false_negative=0, true_negative=3))
    0.75
    """
    twice = 2 * counts.true_positive
    return _ratio(twice, twice + counts.false_positive + counts.false_negative)


def iou(counts: MaskCounts) -> float:
    """Intersection over union (Jaccard index), TP / (TP + FP + FN). NaN where both masks are empty.

    >>> iou(MaskCounts(true_positive=3, false_positive=2, false_negative=0, true_negative=3))
    0.6
    """
    return _ratio(counts.true_positive, counts.true_positive + counts.false_positive + counts.false_negative)


def jaccard_distance(counts: MaskCounts) -> float:
    """Jaccard distance, 1 - IoU = (FP + FN) / (TP + FP + FN): lower is better. NaN where both masks are empty.

    >>> jaccard_distance(MaskCounts(true_positive=3, false_positive=2, false_negative=0, true_negative=3))
    0.4
    """
    wrong = counts.false_positive + counts.false_negative
    return _ratio(wrong, wrong + counts.true_positive)


def sensitivity(counts: MaskCounts) -> float:
    """Sensitivity (recall), TP / (TP + FN). NaN where the reference is empty.

    >>> sensitivity(MaskCounts(true_positive=3, false_positive=2, false_negative=1, true_negative=3))
    0.75
    """
    return _ratio(counts.true_positive, counts.reference)


def specificity(counts: MaskCounts) -> float:
    """Specificity, TN / (TN + FP). NaN where the reference fills the volume.

    >>> specificity(MaskCounts(true_positive=3, false_positive=2, false_negative=0, true_negative=3))
    0.6
    """
    return _ratio(counts.true_negative, counts.true_negative + counts.false_positive)


def precision(counts: MaskCounts) -> float:
    """Precision (positive predictive value), TP / (TP + FP). NaN where the prediction is empty.

    >>> precision(MaskCounts(true_positive=3, false_positive=1, false_negative=0, true_negative=3))
    0.75
    """
    return _ratio(counts.true_positive, counts.prediction)


def accuracy(counts: MaskCounts) -> float:
    """Accuracy, (TP + TN) / (TP + FP + FN + TN): near 1 for every small structure, read with the others.

    >>> accuracy(MaskCounts(true_positive=3, false_positive=2, false_negative=0, true_negative=3))
    0.75
    """
    right = counts.true_positive + counts.true_negative
    return _ratio(right, right + counts.false_positive + counts.false_negative)


OVERLAP_SCORES: dict[str, Callable[[MaskCounts], float]] = {
    "dice": dice,
    "iou": iou,
    "sensitivity": sensitivity,
    "specificity": specificity,
    "precision": precision,
    "accuracy": accuracy,
}
"""The scores by their column names, in the order of the tables."""


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")
