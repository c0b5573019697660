"""Bootstrap intervals of statistics that are no means over cases: AUC, correlation, kappa and the like."""

from collections.abc import Callable, Sequence

import numpy as np

from pneumoseg.data_io.errors import InputError

RESAMPLES = 2000


def patient_bootstrap(
    statistics: Callable[[np.ndarray], np.ndarray],
    patients: Sequence[str] | np.ndarray,
    *,
    level: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> np.ndarray:
    """Percentile bootstrap intervals of several statistics (Efron & Tibshirani 1993, chapter 13): float (k, 2).

    `patients`: of each study (n,); patients are drawn again with replacement, each with all of its studies, as studies
    of one patient are no independent cases. `statistics`: from the indices of the drawn studies (m,) to float (k,), NaN
    where one is undefined. Resamples in which a statistic is undefined, such as an AUC of one class alone, do not count
    for it; where these are more than half, and for fewer than two patients, its interval is (NaN, NaN). The same
    studies give the same interval.

    Raises InputError for a level outside 0 to 1, no resamples or no studies.

    >>> values = np.array([0.0, 1.0])
    >>> patient_bootstrap(lambda drawn: np.array([values[drawn].mean()]), ["a", "b"]).tolist()
    [[0.0, 1.0]]
    """
    if not 0 < level < 1 or resamples < 1:
        raise InputError(f"an interval needs a level between 0 and 1 and resamples, found {level} and {resamples}")
    if not len(patients):
        raise InputError("an interval needs studies, found none")
    _, codes = np.unique(np.asarray(patients, dtype=str), return_inverse=True)
    studies_of = [np.flatnonzero(codes == code) for code in range(codes.max() + 1)]
    count = len(np.atleast_1d(statistics(np.arange(len(codes)))))
    if len(studies_of) < 2:
        return np.full((count, 2), np.nan)
    rng = np.random.default_rng(seed)
    drawn = np.empty((resamples, count))
    for row in drawn:
        chosen = rng.integers(len(studies_of), size=len(studies_of))
        row[:] = statistics(np.concatenate([studies_of[patient] for patient in chosen]))
    intervals = np.full((count, 2), np.nan)
    for interval, values in zip(intervals, drawn.T, strict=True):
        known = values[~np.isnan(values)]
        if 2 * len(known) >= resamples:
            interval[:] = np.quantile(known, [(1 - level) / 2, (1 + level) / 2])
    return intervals
