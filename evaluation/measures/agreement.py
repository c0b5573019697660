"""Agreement of predicted severity scores with given ones, 0 to 100: one value per study, float arrays (n,)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pneumoseg.data_io.errors import InputError
from pneumoseg.evaluation.measures.severity import CATEGORIES

LIMITS_OF_AGREEMENT = 1.96
"""Standard deviations on both sides of the bias that hold 95 % of normally distributed differences."""


@dataclass(frozen=True)
class BlandAltman:
    """Differences predicted - given: `bias`, their mean, `sd` (n - 1), and the limits of agreement."""

    bias: float
    sd: float
    low: float
    high: float


def mean_absolute_error(given: np.ndarray, predicted: np.ndarray) -> float:
    """Mean of |predicted - given|; NaN for no studies.

    >>> mean_absolute_error(np.array([10.0, 20.0]), np.array([11.0, 17.0]))
    2.0
    """
    _check(given, predicted)
    return float(np.abs(predicted - given).mean()) if len(given) else float("nan")


def root_mean_square_error(given: np.ndarray, predicted: np.ndarray) -> float:
    """Root of the mean of (predicted - given) squared; NaN for no studies.

    >>> root_mean_square_error(np.array([10.0, 20.0]), np.array([17.0, 21.0]))  # root of (49 + 1) / 2
    5.0
    """
    _check(given, predicted)
    return float(np.sqrt(((predicted - given) ** 2).mean())) if len(given) else float("nan")


def pearson(given: np.ndarray, predicted: np.ndarray) -> float:
    """Pearson's correlation; NaN for fewer than two studies and where all scores of a side are equal.

    It says nothing of agreement: predictions of half the given scores correlate perfectly.

    >>> round(pearson(np.array([0.0, 10.0, 20.0]), np.array([0.0, 5.0, 10.0])), 6)
    1.0
    """
    _check(given, predicted)
    if len(given) < 2 or not np.ptp(given) or not np.ptp(predicted):
        return float("nan")
    return float(np.corrcoef(given, predicted)[0, 1])


def icc_2_1(given: np.ndarray, predicted: np.ndarray) -> float:
    """Intraclass correlation ICC(2,1): two-way random effects, absolute agreement, single rater (Shrout & Fleiss
    1979); given and predicted scores are the two raters. 1 is perfect; a bias lowers it, unlike `pearson`.

    NaN for fewer than two studies and where all scores are equal.

    >>> round(icc_2_1(np.array([1.0, 2.0, 3.0]), np.array([2.0, 3.0, 4.0])), 6)  # mean squares 2, 1.5 and 0
    0.666667
    """
    _check(given, predicted)
    studies = len(given)
    if studies < 2:
        return float("nan")
    ratings = np.stack([given, predicted], axis=1)
    mean, of_study, of_rater = ratings.mean(), ratings.mean(axis=1), ratings.mean(axis=0)
    between_studies = 2 * ((of_study - mean) ** 2).sum() / (studies - 1)
    between_raters = studies * ((of_rater - mean) ** 2).sum()
    residual = ((ratings - of_study[:, None] - of_rater + mean) ** 2).sum() / (studies - 1)
    whole = between_studies + residual + 2 * (between_raters - residual) / studies
    return float((between_studies - residual) / whole) if whole > 0 else float("nan")


def bland_altman(given: np.ndarray, predicted: np.ndarray) -> BlandAltman:
    """Bias and 95 % limits of agreement, bias -+ 1.96 sd (Bland & Altman 1986); NaN where they need more studies.

    >>> bland_altman(np.array([10.0, 20.0, 30.0]), np.array([11.0, 22.0, 33.0])).bias
    2.0
    """
    _check(given, predicted)
    differences = predicted - given
    bias = float(differences.mean()) if len(differences) else float("nan")
    sd = float(differences.std(ddof=1)) if len(differences) > 1 else float("nan")
    return BlandAltman(bias, sd, bias - LIMITS_OF_AGREEMENT * sd, bias + LIMITS_OF_AGREEMENT * sd)


def category_numbers(scores: np.ndarray | Sequence[float]) -> np.ndarray:
    """The number 0 (Low) to 4 (Critical) of the category of each score, as `severity.CATEGORIES`: int (n,).

    >>> category_numbers(np.array([0.0, 19.99, 20.0, 59.0, 80.0, 100.0])).tolist()
    [0, 0, 1, 2, 4, 4]
    """
    return np.digitize(np.asarray(scores, float), [begin for begin, _ in CATEGORIES[1:]])


def category_confusion(given: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Numbers of studies by category, int (5, 5): row the given one, column the predicted one.

    >>> category_confusion(np.array([10.0, 30.0]), np.array([15.0, 50.0]))[:3, :3].tolist()
    [[1, 0, 0], [0, 0, 1], [0, 0, 0]]
    """
    _check(given, predicted)
    count = len(CATEGORIES)
    cells = count * category_numbers(given) + category_numbers(predicted)
    return np.bincount(cells, minlength=count**2).reshape(count, count)


def categories_off(given: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """How many studies are 0, 1, 2, 3 and 4 categories off: int (5,); thesis 'GPU enabled CNN based COVID-19 HRCT
    images classifier', PSG Tech.

    >>> categories_off(np.array([10.0, 30.0, 90.0]), np.array([15.0, 50.0, 5.0])).tolist()
    [1, 1, 0, 0, 1]
    """
    _check(given, predicted)
    return np.bincount(np.abs(category_numbers(predicted) - category_numbers(given)), minlength=len(CATEGORIES))


def quadratic_kappa(given: np.ndarray, predicted: np.ndarray) -> float:
    """Cohen's kappa of the categories with quadratic weights (Cohen 1968): 1 perfect, 0 as by chance.

    NaN for no studies, and where all are in one category on both sides.

    >>> quadratic_kappa(np.array([10.0, 30.0, 50.0]), np.array([10.0, 30.0, 50.0]))
    1.0
    """
    counts = category_confusion(given, predicted)
    places = np.arange(len(CATEGORIES))
    weights = (places[:, None] - places) ** 2
    total = counts.sum()
    by_chance = float((weights * np.outer(counts.sum(axis=1), counts.sum(axis=0))).sum())
    return float(1 - (weights * counts).sum() * total / by_chance) if by_chance else float("nan")


def ctsi_percent_over_4(percent: float) -> int:
    """The whole-number score 0 to 25 of an infected percent: percent / 4 rounded down, as the thesis above; it is no CT
    severity index by lobes.

    >>> ctsi_percent_over_4(43.03), ctsi_percent_over_4(100)
    (10, 25)
    """
    return int(percent // 4)


AGREEMENT_SCORES = ("mae", "rmse", "pearson", "icc", "bias", "exact", "within_one", "kappa")


def agreement_scores(given: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    """`AGREEMENT_SCORES`: errors in points, `icc` the ICC(2,1), `exact` and `within_one` the share of studies of the
    right category and at most one off, `kappa` with quadratic weights; NaN where one is undefined.

    >>> scores = agreement_scores(np.array([10.0, 30.0]), np.array([15.0, 50.0]))
    >>> scores["mae"], scores["exact"], scores["within_one"]
    (12.5, 0.5, 1.0)
    """
    off = categories_off(given, predicted)
    shares = np.cumsum(off) / off.sum() if len(given) else np.full(len(off), np.nan)
    return {
        "mae": mean_absolute_error(given, predicted),
        "rmse": root_mean_square_error(given, predicted),
        "pearson": pearson(given, predicted),
        "icc": icc_2_1(given, predicted),
        "bias": bland_altman(given, predicted).bias,
        "exact": float(shares[0]),
        "within_one": float(shares[1]),
        "kappa": quadratic_kappa(given, predicted),
    }


def _check(given: np.ndarray, predicted: np.ndarray) -> None:
    if given.ndim != 1 or given.shape != predicted.shape:
        raise InputError(f"scores have one value per study, found {given.shape} and {predicted.shape}")
    for name, values in (("given", given), ("predicted", predicted)):
        if len(values) and not (np.isfinite(values).all() and values.min() >= 0 and values.max() <= 100):
            found = "NaN or infinity" if not np.isfinite(values).all() else f"{values.min():g} to {values.max():g}"
            raise InputError(f"{name} scores lie between 0 and 100, found {found}")
