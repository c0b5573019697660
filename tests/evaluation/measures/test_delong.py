"""DeLong's test against its definition, pair by pair, and against resampling."""

import numpy as np
import pytest
from scipy import stats

from pneumoseg.data_io.errors import InputError
from pneumoseg.evaluation.measures.delong import auc_covariance, compare_auc
from pneumoseg.evaluation.measures.ranking import roc_auc


def drawn(seed: int, studies: int = 50) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels and two correlated predictions with ties."""
    rng = np.random.default_rng(seed)
    diseased = rng.random(studies) < 0.5
    common = rng.normal(size=studies) + diseased
    a, b = (np.round(common + rng.normal(scale=scale, size=studies), 1) for scale in (0.5, 1.5))
    return diseased, a, b


def by_pairs(diseased: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Areas and covariance by the formulas of the paper: a kernel over all pairs of a diseased and a healthy study."""
    positives, negatives = scores[:, diseased], scores[:, ~diseased]
    difference = positives[:, :, None] - negatives[:, None, :]
    kernel = (difference > 0) + 0.5 * (difference == 0)
    v10, v01 = kernel.mean(axis=2), kernel.mean(axis=1)
    return kernel.mean(axis=(1, 2)), np.cov(v10) / positives.shape[1] + np.cov(v01) / negatives.shape[1]


@pytest.mark.parametrize("seed", range(10))
def test_areas_and_covariance_follow_the_definition(seed):
    diseased, a, b = drawn(seed)
    areas, covariance = auc_covariance(diseased, np.stack([a, b]))
    expected_areas, expected = by_pairs(diseased, np.stack([a, b]))
    assert areas == pytest.approx(expected_areas)
    assert areas == pytest.approx([roc_auc(diseased, a), roc_auc(diseased, b)])
    assert covariance == pytest.approx(expected)


def test_difference_by_hand():
    diseased, a, b = drawn(0)
    areas, covariance = by_pairs(diseased, np.stack([a, b]))
    deviation = np.sqrt(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    found = compare_auc(diseased, a, b)
    assert found.difference == pytest.approx(areas[1] - areas[0])
    assert found.p == pytest.approx(2 * stats.norm.cdf(-abs(found.difference) / deviation))
    assert (found.ci95_low + found.ci95_high) / 2 == pytest.approx(found.difference)
    assert found.ci95_high - found.ci95_low == pytest.approx(2 * 1.959964 * deviation, rel=1e-6)


def test_p_is_uniform_where_both_are_alike():
    p_values = []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        diseased = np.arange(60) < 30
        common = rng.normal(size=60) + diseased
        p_values.append(compare_auc(diseased, *(common + rng.normal(size=60) for _ in range(2))).p)
    assert stats.kstest(p_values, "uniform").pvalue > 0.01


def test_order_turns_the_sign_alone():
    diseased, a, b = drawn(3)
    forth, back = compare_auc(diseased, a, b), compare_auc(diseased, b, a)
    assert back.difference == pytest.approx(-forth.difference)
    assert back.p == pytest.approx(forth.p)
    assert back.ci95_low == pytest.approx(-forth.ci95_high)


def test_without_variance_there_is_no_interval():
    diseased = np.array([True, True, False, False])
    right, wrong = np.array([0.9, 0.8, 0.2, 0.1]), np.array([0.1, 0.2, 0.8, 0.9])
    alike = compare_auc(diseased, right, right**2)
    assert alike.p == 1.0
    assert np.isnan([alike.ci95_low, alike.ci95_high]).all()
    assert np.isnan(compare_auc(diseased, right, wrong).p)


def test_one_class_or_one_study_of_it():
    assert np.isnan(auc_covariance(np.array([True, True]), np.array([[0.1, 0.2]]))[0]).all()
    areas, covariance = auc_covariance(np.array([True, False, False]), np.array([[0.9, 0.2, 0.1]]))
    assert areas.tolist() == [1.0]
    assert np.isnan(covariance).all()
    assert np.isnan(compare_auc(np.array([True, True]), np.ones(2), np.zeros(2)).p)


def test_wrong_arrays_are_refused():
    with pytest.raises(InputError, match="predictions, studies"):
        auc_covariance(np.array([True, False]), np.array([0.1, 0.2]))
    with pytest.raises(InputError, match="finite"):
        compare_auc(np.array([True, False]), np.array([0.1, np.nan]), np.zeros(2))
