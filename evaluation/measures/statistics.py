"""Statistics of paired differences: interval of the mean, test, correction for multiple tests, effect size.

All functions take 1-D float arrays, one value per case; NaN means undefined and is ignored.
"""

import warnings

import numpy as np
import scipy

from pneumoseg.data_io.errors import InputError

DRAWN_AT_ONCE = 2_000_000
"""Values drawn at a time by the bootstrap: 16 MB, and as much for their indices."""


def bootstrap_interval(
    values: np.ndarray, level: float = 0.95, *, resamples: int = 10_000, seed: int = 0
) -> tuple[float, float]:
    """Percentile bootstrap interval of the mean over cases (Efron & Tibshirani 1993, chapter 13): (low, high).

    The cases are drawn again with replacement, `resamples` times; the interval spans the middle `level` of the means.
    With few cases (below about 20) it is somewhat too narrow. The same values give the same interval, in any order.
    (NaN, NaN) for fewer than two defined values. Raises InputError for a level outside 0 to 1 or no resamples.

    >>> bootstrap_interval(np.array([0.0, 1.0]))
    (0.0, 1.0)
    """
    if not 0 < level < 1 or resamples < 1:
        raise InputError(f"an interval needs a level between 0 and 1 and resamples, found {level} and {resamples}")
    drawn_from = np.sort(_defined(values))
    if len(drawn_from) < 2:
        return float("nan"), float("nan")
    rng = np.random.default_rng(seed)
    means = np.empty(resamples)
    step = max(1, DRAWN_AT_ONCE // len(drawn_from))
    for start in range(0, resamples, step):
        part = means[start : start + step]
        part[:] = drawn_from[rng.integers(len(drawn_from), size=(len(part), len(drawn_from)))].mean(axis=1)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def holm(p_values: np.ndarray) -> np.ndarray:
    """p values adjusted by the step-down method of Holm (1979), in the given order.

    The smallest of m is multiplied by m, the next by m - 1 and so on; none becomes smaller than the one before or
    larger than 1. NaN stays NaN and does not count as a test. Raises InputError for values outside 0 to 1.

    >>> holm(np.array([0.01, 0.04, 0.03])).tolist()
    [0.03, 0.06, 0.06]
    """
    p_values = np.asarray(p_values, float)
    known = _defined(p_values)
    if ((known < 0) | (known > 1)).any():
        raise InputError(f"p values lie between 0 and 1, found {known.min():g} to {known.max():g}")
    order = np.argsort(known)
    adjusted = np.empty(len(known))
    adjusted[order] = np.minimum(np.maximum.accumulate(known[order] * np.arange(len(known), 0, -1)), 1)
    result = np.full(len(p_values), np.nan)
    result[~np.isnan(p_values)] = adjusted
    return result


def wilcoxon(differences: np.ndarray) -> float:
    """Two-sided p value of the signed-rank test of Wilcoxon (1945), through `scipy.stats.wilcoxon`.

    Differences of zero are dropped before ranking, as Wilcoxon did (Pratt's ranking of them would forgo the exact
    distribution). Exact up to 50 differences without ties; with ties SciPy's choice: exact for a few (since 1.13),
    else the normal approximation. 1 where all are zero, and for a single case: either sign is as likely. NaN for none.

    >>> wilcoxon(np.array([1.0, 2.0, 3.0, 4.0, 5.0]))  # of 32 choices of signs, two are as extreme
    0.0625
    """
    known = _defined(differences)
    moved = known[known != 0]
    if not len(moved):
        return 1.0 if len(known) else float("nan")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # older SciPy warns where ties leave few cases to the approximation
        return float(scipy.stats.wilcoxon(moved, method="auto").pvalue)


def rank_biserial(differences: np.ndarray) -> float:
    """Matched-pairs rank-biserial correlation (Kerby 2014): the share of the rank sum that is above zero less the
    share below, -1 to 1.

    Differences of zero are dropped, as in `wilcoxon`. 0 where all are zero, NaN for none.

    >>> rank_biserial(np.array([1.0, 2.0, 3.0, -4.0]))  # (1 + 2 + 3 - 4) / 10
    0.2
    """
    known = _defined(differences)
    moved = known[known != 0]
    if not len(moved):
        return 0.0 if len(known) else float("nan")
    ranks = scipy.stats.rankdata(np.abs(moved))
    return float((ranks * np.sign(moved)).sum() / ranks.sum())


def _defined(values: np.ndarray) -> np.ndarray:
    values = np.asarray(values, float)
    if values.ndim != 1 or np.isinf(values).any():
        raise InputError(f"one finite number or NaN per case is needed, found {values.ndim} dimensions or infinity")
    return values[~np.isnan(values)]
