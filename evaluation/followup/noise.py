"""How much of a change may be the model's own noise."""

from collections.abc import Sequence

import numpy as np
import scipy

CONFIDENCE = 0.95
FORMULA = (
    "noise = t * sqrt(sd_baseline^2 + sd_follow_up^2); sd: standard deviation (n - 1) of the value over n votes, of "
    "each network alone, or of a single network on the CT and on its mirror image; t: 97.5 % quantile of Student's "
    "distribution with 2 (n - 1) degrees of freedom, 4.3 for two votes, 2.3 for five; a change is beyond noise "
    "where it is larger"
)


def noise_of_change(baseline: Sequence[float | None], follow_up: Sequence[float | None]) -> float | None:
    """The largest change (>= 0, in the unit of the values) that noise explains, with 95 % confidence.

    `baseline`, `follow_up`: one value per vote at each date. Errors of both dates are taken as independent,
    which networks that err alike at both make too cautious; errors that all networks share it does not see. None for
    fewer than two votes, and where one gives no value.

    >>> round(noise_of_change([10.0, 12.0], [30.0, 30.0]), 2)  # 4.30 * sqrt(2 + 0)
    6.08
    >>> noise_of_change([10.0], [30.0]) is None
    True
    """
    if len(baseline) != len(follow_up):
        raise ValueError(f"one value per network at each date, found {len(baseline)} and {len(follow_up)}")
    before, after = ([value for value in values if value is not None] for values in (baseline, follow_up))
    if len(baseline) < 2 or len(before) < len(baseline) or len(after) < len(follow_up):
        return None
    t = scipy.stats.t.ppf((1 + CONFIDENCE) / 2, 2 * (len(before) - 1))
    return float(t * np.sqrt(np.var(before, ddof=1) + np.var(after, ddof=1)))


def beyond(change: float | None, noise: float | None) -> bool | None:
    """Whether a change is larger than its noise; None where one of both is not known.

    >>> beyond(-7.0, 6.1), beyond(0.0, 0.0), beyond(5.0, None)
    (True, False, None)
    """
    return None if change is None or noise is None else abs(change) > noise
