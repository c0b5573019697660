"""Areas under ROC curves of the same studies compared: the test of DeLong, DeLong & Clarke-Pearson (1988)."""

from dataclasses import dataclass

import numpy as np
import scipy

from pneumoseg.data_io.errors import InputError


@dataclass(frozen=True)
class AucDifference:
    """Two areas, `a` and `b`, their difference b - a with its 95 % interval, and the two-sided p value."""

    a: float
    b: float
    difference: float
    ci95_low: float
    ci95_high: float
    p: float


def auc_covariance(diseased: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The areas (k,) of `scores` (k, n) and their covariance (k, k), without any assumption on distributions.

    `diseased`: bool (n,); `scores`: the higher, the more likely diseased; ties count half. By mid-ranks (Sun & Xu
    2014). Studies count as independent: with several studies of a patient the variance is too small. NaN where there
    is no study of a class; the covariance is NaN too with a single one. Raises InputError for other shapes or types and
    for scores that are not finite.

    >>> areas, covariance = auc_covariance(np.array([True, True, False, False]), np.array([[0.9, 0.4, 0.6, 0.1]]))
    >>> areas.tolist(), covariance.tolist()  # placements 1, 0.5 and 0.5, 1: variance 0.125 / 2 + 0.125 / 2
    ([0.75], [[0.125]])
    """
    if scores.ndim != 2 or diseased.shape != scores.shape[1:] or diseased.dtype != bool:
        raise InputError(
            f"given labels are bool (studies,) and scores (predictions, studies), found {diseased.dtype} "
            f"{diseased.shape} and {scores.shape}"
        )
    if not np.isfinite(scores).all():
        raise InputError("scores to rank must be finite, found NaN or infinity")
    positives, negatives = scores[:, diseased], scores[:, ~diseased]
    m, n = positives.shape[1], negatives.shape[1]
    undefined = np.full((len(scores), len(scores)), np.nan)
    if not m or not n:
        return undefined[:, 0], undefined
    ranks = scipy.stats.rankdata(np.concatenate([positives, negatives], axis=1), axis=1)
    # Of each diseased study the share of healthy ones below it, of each healthy one the share of diseased above it.
    above = (ranks[:, :m] - scipy.stats.rankdata(positives, axis=1)) / n
    below = 1 - (ranks[:, m:] - scipy.stats.rankdata(negatives, axis=1)) / m
    areas = above.mean(axis=1)
    if min(m, n) < 2:
        return areas, undefined
    return areas, np.atleast_2d(np.cov(above)) / m + np.atleast_2d(np.cov(below)) / n


def compare_auc(diseased: np.ndarray, a: np.ndarray, b: np.ndarray) -> AucDifference:
    """The areas of two predictions of the same studies, and whether their difference could be chance.

    `diseased`: bool (n,), `a`, `b`: float (n,), the higher, the more likely diseased. The interval and p come from the
    normal distribution of the difference over its standard deviation. Where that is 0, as of two predictions that
    both rank every study rightly, there is no interval; p is 1 for equal areas and else NaN. Raises InputError as
    `auc_covariance`.

    >>> same = np.array([0.9, 0.4, 0.6, 0.1])
    >>> compare_auc(np.array([True, True, False, False]), same, same).p
    1.0
    """
    areas, covariance = auc_covariance(diseased, np.stack([a, b]))
    difference = float(areas[1] - areas[0])
    variance = float(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    low = high = p = float("nan")
    if variance > 1e-12:
        deviation = variance**0.5
        p = float(2 * scipy.stats.norm.sf(abs(difference) / deviation))
        margin = float(scipy.stats.norm.ppf(0.975)) * deviation
        low, high = difference - margin, difference + margin
    elif abs(difference) < 1e-12:
        p = 1.0
    return AucDifference(float(areas[0]), float(areas[1]), difference, low, high, p)
