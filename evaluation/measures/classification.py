"""Scores of a label, diseased or not, that was predicted with a probability: one value per study, arrays (n,)."""

from dataclasses import dataclass

import numpy as np

from pneumoseg.data_io.errors import InputError
from pneumoseg.evaluation.measures.ranking import roc_auc

BINS = 10


@dataclass(frozen=True)
class Confusion:
    """Numbers of studies by given and predicted label."""

    true_positive: int
    false_positive: int
    false_negative: int
    true_negative: int

    @property
    def accuracy(self) -> float:
        """Share of right labels; NaN for no studies."""
        right = self.true_positive + self.true_negative
        return _ratio(right, right + self.false_positive + self.false_negative)

    @property
    def sensitivity(self) -> float:
        """Share of the diseased that were found; NaN without any."""
        return _ratio(self.true_positive, self.true_positive + self.false_negative)

    @property
    def specificity(self) -> float:
        """Share of the healthy that were recognised; NaN without any."""
        return _ratio(self.true_negative, self.true_negative + self.false_positive)


@dataclass(frozen=True, eq=False)
class CalibrationBins:
    """Studies by predicted probability, (bins,) each, empty bins left out: `predicted`, the mean probability,
    `observed`, the share of diseased, and `count`."""

    predicted: np.ndarray
    observed: np.ndarray
    count: np.ndarray


def confusion_counts(diseased: np.ndarray, predicted: np.ndarray) -> Confusion:
    """Counts of given (bool) against predicted labels (bool). Raises InputError for other shapes or types.

    >>> confusion_counts(np.array([True, True, False]), np.array([True, False, False]))
    Confusion(true_positive=1, false_positive=0, false_negative=1, true_negative=1)
    """
    _check_labels(diseased, predicted)
    if predicted.dtype != bool:
        raise InputError(f"predicted labels are bool, found {predicted.dtype}")
    counts = np.bincount(2 * diseased.astype(int) + predicted, minlength=4)
    return Confusion(
        true_positive=int(counts[3]),
        false_positive=int(counts[1]),
        false_negative=int(counts[2]),
        true_negative=int(counts[0]),
    )


def average_precision(diseased: np.ndarray, scores: np.ndarray) -> float:
    """Area under the precision-recall curve as the sum of precision times gain of recall, as scikit-learn defines it.

    `diseased`: bool, `scores`: the higher, the more likely diseased; equal scores are one step. The score of chance is
    the share of diseased. NaN without any diseased. Raises InputError for other shapes or types and undefined scores.

    >>> average_precision(np.array([True, False, True]), np.array([0.9, 0.6, 0.3]))  # (1 / 1 + 2 / 3) / 2
    0.8333333333333333
    """
    _check_labels(diseased, scores)
    _check_finite(scores)
    if not diseased.any():
        return float("nan")
    order = np.argsort(-scores, kind="stable")
    found = np.cumsum(diseased[order])
    last = np.append(np.diff(scores[order]) != 0, True)  # of the studies with one score
    precision = found[last] / (np.flatnonzero(last) + 1)
    gain = np.diff(found[last] / found[-1], prepend=0.0)
    return float((precision * gain).sum())


def brier_score(diseased: np.ndarray, probabilities: np.ndarray) -> float:
    """Mean squared distance of the probability from 1 (diseased) or 0 (Brier 1950): 0 is best, 0.25 always saying 0.5.

    `diseased`: bool, `probabilities`: 0 to 1. NaN for no studies. Raises InputError for other shapes, types or values.

    >>> round(brier_score(np.array([True, False]), np.array([0.9, 0.5])), 6)  # (0.01 + 0.25) / 2
    0.13
    """
    _check_probabilities(diseased, probabilities)
    return float(np.mean((probabilities - diseased) ** 2)) if len(diseased) else float("nan")


def calibration_bins(diseased: np.ndarray, probabilities: np.ndarray, bins: int = BINS) -> CalibrationBins:
    """Calibration curve: studies in `bins` of equal width of the predicted probability 0 to 1.

    `diseased`: bool. A bin holds its lower edge, the last one 1 too. Raises InputError for other shapes, types or
    values.

    >>> calibration_bins(np.array([True, False, True]), np.array([0.25, 0.25, 1.0]), bins=2).observed.tolist()
    [0.5, 1.0]
    """
    _check_probabilities(diseased, probabilities)
    places = np.minimum((probabilities * bins).astype(int), bins - 1)
    count = np.bincount(places, minlength=bins)
    filled = count > 0
    sums = [np.bincount(places, weights=values, minlength=bins)[filled] for values in (probabilities, diseased)]
    predicted, observed = (total / count[filled] for total in sums)
    return CalibrationBins(predicted, observed, count[filled])


RANKING_SCORES = ("auc", "average_precision")


def ranking_scores(diseased: np.ndarray, scores: np.ndarray) -> dict[str, float]:
    """`RANKING_SCORES` of studies that are ordered by any score, the higher the more likely diseased; NaN where one is
    undefined.

    >>> ranking_scores(np.array([True, False, True]), np.array([60.0, 2.0, 1.0]))["auc"]
    0.5
    """
    return {"auc": roc_auc(diseased, scores), "average_precision": average_precision(diseased, scores)}


LABEL_SCORES = ("auc", "average_precision", "accuracy", "sensitivity", "specificity", "brier")


def label_scores(diseased: np.ndarray, probabilities: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    """`LABEL_SCORES` of studies, NaN where one is undefined: a class is absent, or there are no studies.

    `diseased`: bool; `probabilities`: 0 to 1; `predicted`: bool, the labels at the thresholds that their models have.

    >>> scores = label_scores(np.array([True, False]), np.array([0.8, 0.4]), np.array([True, True]))
    >>> scores["auc"], scores["accuracy"], scores["specificity"]
    (1.0, 0.5, 0.0)
    """
    counts = confusion_counts(diseased, predicted)
    return {
        **ranking_scores(diseased, probabilities),
        "accuracy": counts.accuracy,
        "sensitivity": counts.sensitivity,
        "specificity": counts.specificity,
        "brier": brier_score(diseased, probabilities),
    }


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")


def _check_labels(diseased: np.ndarray, others: np.ndarray) -> None:
    if diseased.ndim != 1 or diseased.shape != others.shape or diseased.dtype != bool:
        raise InputError(
            f"given labels (bool) and predictions have one value per study, found "
            f"{diseased.dtype} {diseased.shape} and {others.shape}"
        )


def _check_finite(scores: np.ndarray) -> None:
    if not np.isfinite(scores).all():
        raise InputError("predictions must be finite, found NaN or infinity")


def _check_probabilities(diseased: np.ndarray, probabilities: np.ndarray) -> None:
    _check_labels(diseased, probabilities)
    _check_finite(probabilities)
    if len(probabilities) and not (probabilities.min() >= 0 and probabilities.max() <= 1):
        raise InputError(f"probabilities lie between 0 and 1, found {probabilities.min():g} to {probabilities.max():g}")
