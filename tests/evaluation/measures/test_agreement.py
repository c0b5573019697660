"""Agreement of scores against scikit-learn, SciPy, an analysis of variance in loops, and by hand."""

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import cohen_kappa_score, confusion_matrix, root_mean_squared_error

from pneumoseg.data_io.datasets.studies import CATEGORY_LIMITS
from pneumoseg.data_io.errors import InputError
from pneumoseg.evaluation.measures.agreement import (
    AGREEMENT_SCORES,
    agreement_scores,
    bland_altman,
    categories_off,
    category_confusion,
    category_numbers,
    ctsi_percent_over_4,
    icc_2_1,
    pearson,
)
from pneumoseg.evaluation.measures.severity import CATEGORIES, category


def drawn(seed: int, studies: int = 40) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    given = rng.uniform(0, 100, studies)
    return given, np.clip(given + rng.normal(3, 15, studies), 0, 100)


def icc_by_loops(ratings: np.ndarray) -> float:
    """ICC(2,1) of Shrout & Fleiss from mean squares, for any number of raters."""
    n, k = ratings.shape
    total = ratings.mean()
    between = k * sum((ratings[i].mean() - total) ** 2 for i in range(n)) / (n - 1)
    raters = n * sum((ratings[:, j].mean() - total) ** 2 for j in range(k)) / (k - 1)
    errors = sum(
        (ratings[i, j] - ratings[i].mean() - ratings[:, j].mean() + total) ** 2 for i in range(n) for j in range(k)
    ) / ((n - 1) * (k - 1))
    return (between - errors) / (between + (k - 1) * errors + k * (raters - errors) / n)


def test_the_oracle_gives_the_example_of_shrout_and_fleiss():
    table = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]
    assert icc_by_loops(np.array(table, float)) == pytest.approx(0.29, abs=0.005)


@pytest.mark.parametrize("seed", range(10))
def test_scores_agree_with_other_sources(seed):
    given, predicted = drawn(seed)
    scores = agreement_scores(given, predicted)
    assert tuple(scores) == AGREEMENT_SCORES
    assert scores["mae"] == pytest.approx(np.mean(np.abs(predicted - given)))
    assert scores["rmse"] == pytest.approx(root_mean_squared_error(given, predicted))
    assert scores["pearson"] == pytest.approx(stats.pearsonr(given, predicted).statistic)
    assert scores["icc"] == pytest.approx(icc_by_loops(np.stack([given, predicted], axis=1)))
    places = [category_numbers(one) for one in (given, predicted)]
    assert scores["kappa"] == pytest.approx(cohen_kappa_score(*places, weights="quadratic", labels=range(5)))
    assert (category_confusion(given, predicted) == confusion_matrix(*places, labels=range(5))).all()
    assert scores["exact"] == pytest.approx(np.mean(places[0] == places[1]))
    assert scores["within_one"] == pytest.approx(np.mean(np.abs(places[0] - places[1]) <= 1))


def test_a_bias_lowers_the_icc_and_not_the_correlation():
    given = np.array([10.0, 20.0, 30.0, 40.0])
    assert pearson(given, given + 30) == pytest.approx(1.0)
    assert icc_2_1(given, given) == pytest.approx(1.0)
    assert icc_2_1(given, given + 30) < 0.5


def test_limits_of_agreement():
    found = bland_altman(np.array([10.0, 20.0, 30.0]), np.array([11.0, 22.0, 33.0]))
    assert (found.bias, found.sd) == (2.0, 1.0)
    assert (found.low, found.high) == pytest.approx((0.04, 3.96))


def test_categories_are_those_of_severity():
    assert tuple(begin for begin, _ in CATEGORIES[1:]) == CATEGORY_LIMITS
    scores = np.concatenate([np.linspace(0, 100, 401), [19.999999, 59.999999]])
    assert [CATEGORIES[number][1] for number in category_numbers(scores)] == [category(score) for score in scores]


def test_categories_off_by_hand():
    given = np.array([5.0, 25.0, 45.0, 65.0, 85.0, 5.0])
    predicted = np.array([5.0, 45.0, 45.0, 5.0, 5.0, 41.0])
    assert categories_off(given, predicted).tolist() == [2, 1, 1, 1, 1]


@pytest.mark.parametrize("percent, whole", [(43.03, 10), (0.0, 0), (3.99, 0), (4.0, 1), (40.0, 10), (100.0, 25)])
def test_whole_number_of_percent_over_four(percent, whole):
    assert ctsi_percent_over_4(percent) == whole


def test_nothing_or_one_study():
    none, one = np.array([]), np.array([10.0])
    assert np.isnan(list(agreement_scores(none, none).values())).all()
    scores = agreement_scores(one, one + 5)
    assert (scores["mae"], scores["exact"]) == (5.0, 1.0)
    assert np.isnan([scores["pearson"], scores["icc"], scores["kappa"]]).all()
    assert np.isnan(bland_altman(one, one).sd)


def test_constant_scores_have_no_correlation():
    same = np.full(3, 20.0)
    assert np.isnan(pearson(same, np.array([1.0, 2.0, 3.0])))
    assert np.isnan(icc_2_1(same, same))


@pytest.mark.parametrize(
    "predicted, reason",
    [([1.0], "one value per study"), ([1.0, np.nan], "NaN"), ([1.0, 101.0], "0 and 100"), ([-1.0, 5.0], "0 and 100")],
)
def test_wrong_scores_are_refused(predicted, reason):
    with pytest.raises(InputError, match=reason):
        agreement_scores(np.array([1.0, 2.0]), np.array(predicted))
