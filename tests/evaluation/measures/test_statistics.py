"""Intervals, tests and effect sizes against values found by hand, in the literature's way or by SciPy."""

import itertools
import warnings

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from pneumoseg.data_io.errors import InputError
from pneumoseg.evaluation.measures.statistics import bootstrap_interval, holm, rank_biserial, wilcoxon

NAN = float("nan")
FEW = st.lists(st.integers(-5, 5), min_size=1, max_size=8).map(lambda numbers: np.array(numbers, float))


def test_the_interval_of_two_cases_holds_both_since_the_mean_of_either_alone_is_drawn_in_a_quarter():
    assert bootstrap_interval(np.array([0.0, 1.0])) == (0, 1)


def test_the_interval_is_near_that_of_the_normal_distribution_for_many_cases():
    values = np.random.default_rng(1).normal(3, 2, 400)
    half = 1.96 * values.std() / 20
    assert bootstrap_interval(values) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.02)


def test_a_lower_level_gives_a_narrower_interval():
    values = np.random.default_rng(2).normal(size=20)
    low, high = bootstrap_interval(values)
    low80, high80 = bootstrap_interval(values, level=0.8)
    assert low < low80 < high80 < high


def test_the_interval_depends_neither_on_order_nor_on_undefined_values_but_on_the_seed():
    values = np.random.default_rng(3).normal(size=15)
    mixed = np.concatenate([[NAN], values[::-1], [NAN]])
    assert bootstrap_interval(mixed) == bootstrap_interval(values)
    assert bootstrap_interval(values, seed=1) != bootstrap_interval(values)


def test_drawing_in_parts_changes_nothing(monkeypatch):
    values = np.random.default_rng(4).normal(size=31)
    whole = bootstrap_interval(values)
    monkeypatch.setattr("pneumoseg.evaluation.measures.statistics.DRAWN_AT_ONCE", 1000)
    assert bootstrap_interval(values) == whole


@pytest.mark.parametrize("values", [[], [0.5], [0.5, NAN]])
def test_fewer_than_two_values_have_no_interval(values):
    assert np.isnan(bootstrap_interval(np.array(values))).all()


def test_equal_values_have_an_interval_without_width():
    assert bootstrap_interval(np.zeros(10)) == (0, 0)


@pytest.mark.parametrize("wrong", [{"level": 95}, {"level": 0}, {"resamples": 0}])
def test_an_impossible_interval_is_refused(wrong):
    with pytest.raises(InputError, match="level between 0 and 1"):
        bootstrap_interval(np.arange(5.0), **wrong)


@pytest.mark.parametrize("wrong", [np.zeros((2, 2)), np.array([1.0, np.inf])])
@pytest.mark.parametrize("function", [bootstrap_interval, wilcoxon, rank_biserial])
def test_tables_and_infinity_are_refused(function, wrong):
    with pytest.raises(InputError, match="one finite number or NaN per case"):
        function(wrong)


def test_holm_by_hand():
    # Sorted: 0.01 x 4, 0.02 x 3, 0.03 x 2 (not below the one before: 0.06), 0.4 x 1.
    assert holm(np.array([0.4, 0.01, 0.03, 0.02])) == pytest.approx([0.4, 0.04, 0.06, 0.06])
    # 0.005 x 4, 0.01 x 3, 0.03 x 2, and 0.04 x 1 raised to the 0.06 before it.
    assert holm(np.array([0.01, 0.04, 0.03, 0.005])) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_holm_stops_at_one_and_leaves_undefined_tests_out_of_the_count():
    assert holm(np.array([0.6, NAN, 0.5])) == pytest.approx([1, NAN, 1], nan_ok=True)
    assert holm(np.array([NAN, 0.02])) == pytest.approx([NAN, 0.02], nan_ok=True)
    assert holm(np.array([])).shape == (0,)
    assert np.isnan(holm(np.array([NAN]))).all()


def test_holm_refuses_what_is_no_probability():
    with pytest.raises(InputError, match="between 0 and 1"):
        holm(np.array([0.2, 1.2]))


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_lies_between_the_plain_p_and_that_of_bonferroni(p_values):
    plain = np.array(p_values)
    adjusted = holm(plain)
    assert (adjusted >= plain).all()
    assert (adjusted <= np.minimum(plain * len(plain), 1) + 1e-12).all()


def test_wilcoxon_is_exact_for_few_cases():
    # All ten of one sign: 2 of the 2 ** 10 signs are as extreme.
    assert wilcoxon(np.arange(1.0, 11)) == pytest.approx(2 / 2**10)
    # Rank sum 1 below zero: {}, {1} and their mirror images, of 2 ** 5.
    assert wilcoxon(np.array([-1.0, 2, 3, 4, 5])) == pytest.approx(4 / 2**5)


def test_wilcoxon_is_scipys_with_and_without_ties():
    rng = np.random.default_rng(5)
    for differences in (
        rng.normal(0.3, 1, 20),
        rng.normal(0.3, 1, 80),
        rng.integers(1, 6, 30) * rng.choice([-1, 1], 30),
    ):
        assert wilcoxon(differences) == pytest.approx(scipy.stats.wilcoxon(differences).pvalue)


def test_wilcoxon_drops_zeros_and_undefined_values():
    differences = np.array([0.5, -0.1, 0.3, 0.7, 0.9, 1.1])
    assert wilcoxon(np.concatenate([differences, [0, 0, NAN]])) == wilcoxon(differences)


def test_without_any_difference_p_is_one_and_without_cases_undefined():
    assert wilcoxon(np.zeros(10)) == 1
    assert wilcoxon(np.array([0.3])) == 1
    assert np.isnan(wilcoxon(np.array([])))
    assert np.isnan(wilcoxon(np.array([NAN])))


@settings(max_examples=30, deadline=None)
@given(FEW)
def test_wilcoxon_knows_no_direction_and_warns_of_nothing(differences):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        p = wilcoxon(differences)
    assert 0 < p <= 1
    assert p == pytest.approx(wilcoxon(-differences))


@pytest.mark.parametrize("differences", [[1.0, -2, 3, 4, -5, 6], [1.0, 2, 3, -4]])
def test_wilcoxon_counts_the_signs_that_are_as_extreme(differences):
    ranks = np.abs(differences)  # each is its own rank
    found = abs(np.sum(differences))
    sums = [abs(np.dot(signs, ranks)) for signs in itertools.product([-1, 1], repeat=len(ranks))]
    assert wilcoxon(np.array(differences)) == pytest.approx(np.mean([total >= found for total in sums]))


def test_rank_biserial_by_hand():
    # Ranks 1, 2, 3, 4: 2 below zero, 8 above, of 10.
    assert rank_biserial(np.array([0.1, -0.2, 0.3, 0.4])) == pytest.approx(0.6)
    # Ties share ranks 1.5, 1.5, 3: below 1.5, above 4.5, of 6; zeros have none.
    assert rank_biserial(np.array([0, 0.1, -0.1, NAN, 0.4])) == pytest.approx(0.5)


def test_rank_biserial_at_its_ends():
    assert rank_biserial(np.array([0.1, 0.2])) == 1
    assert rank_biserial(np.array([-0.1, -0.2])) == -1
    assert rank_biserial(np.zeros(4)) == 0
    assert np.isnan(rank_biserial(np.array([NAN])))
