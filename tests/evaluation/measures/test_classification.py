"""Scores of labels against scikit-learn and by hand."""

import numpy as np
import pytest
from sklearn import metrics
from sklearn.calibration import calibration_curve

from pneumoseg.data_io.errors import InputError
from pneumoseg.evaluation.measures.classification import (
    LABEL_SCORES,
    average_precision,
    brier_score,
    calibration_bins,
    confusion_counts,
    label_scores,
)


def drawn(seed: int, studies: int = 60) -> tuple[np.ndarray, np.ndarray]:
    """Labels and probabilities with ties."""
    rng = np.random.default_rng(seed)
    diseased = rng.random(studies) < 0.4
    return diseased, np.round(np.clip(rng.normal(0.4 + 0.2 * diseased, 0.2), 0, 1), 1)


@pytest.mark.parametrize("seed", range(10))
def test_scores_are_those_of_scikit_learn(seed):
    diseased, probabilities = drawn(seed)
    predicted = probabilities >= 0.5
    scores = label_scores(diseased, probabilities, predicted)
    assert tuple(scores) == LABEL_SCORES
    assert scores["auc"] == pytest.approx(metrics.roc_auc_score(diseased, probabilities))
    assert scores["average_precision"] == pytest.approx(metrics.average_precision_score(diseased, probabilities))
    assert scores["brier"] == pytest.approx(metrics.brier_score_loss(diseased, probabilities))
    assert scores["accuracy"] == pytest.approx(metrics.accuracy_score(diseased, predicted))
    assert scores["sensitivity"] == pytest.approx(metrics.recall_score(diseased, predicted))
    assert scores["specificity"] == pytest.approx(metrics.recall_score(~diseased, ~predicted))


@pytest.mark.parametrize("seed", range(5))
def test_calibration_is_that_of_scikit_learn(seed):
    rng = np.random.default_rng(seed)
    probabilities = rng.random(80)
    diseased = rng.random(80) < probabilities
    bins = calibration_bins(diseased, probabilities, bins=5)
    observed, predicted = calibration_curve(diseased, probabilities, n_bins=5)
    assert bins.observed == pytest.approx(observed)
    assert bins.predicted == pytest.approx(predicted)
    assert bins.count.sum() == 80


def test_counts_by_eye():
    diseased = np.array([True, True, True, False, False])
    counts = confusion_counts(diseased, np.array([True, True, False, True, False]))
    assert (counts.true_positive, counts.false_negative, counts.false_positive, counts.true_negative) == (2, 1, 1, 1)
    assert counts.accuracy == pytest.approx(3 / 5)
    assert counts.sensitivity == pytest.approx(2 / 3)
    assert counts.specificity == pytest.approx(1 / 2)


def test_probability_one_is_in_the_last_bin():
    bins = calibration_bins(np.array([True, False]), np.array([1.0, 0.0]))
    assert bins.predicted.tolist() == [0.0, 1.0]
    assert bins.observed.tolist() == [0.0, 1.0]


def test_one_class_alone_leaves_scores_undefined():
    scores = label_scores(np.array([True, True]), np.array([0.2, 0.9]), np.array([False, True]))
    assert np.isnan([scores["auc"], scores["specificity"]]).all()
    assert (scores["accuracy"], scores["sensitivity"]) == (0.5, 0.5)
    healthy = label_scores(np.array([False]), np.array([0.2]), np.array([False]))
    assert np.isnan([healthy["average_precision"], healthy["sensitivity"]]).all()


def test_no_studies_have_no_scores():
    none = np.array([], bool)
    assert np.isnan(list(label_scores(none, np.array([]), none).values())).all()


@pytest.mark.parametrize(
    "probabilities, reason",
    [([0.1, np.nan], "finite"), ([0.1, 1.5], "between 0 and 1"), ([0.1], "one value per study")],
)
def test_wrong_probabilities_are_refused(probabilities, reason):
    for score in (brier_score, calibration_bins):
        with pytest.raises(InputError, match=reason):
            score(np.array([True, False]), np.array(probabilities))


def test_other_types_are_refused():
    with pytest.raises(InputError, match="bool"):
        average_precision(np.array([1, 0]), np.array([0.5, 0.1]))
    with pytest.raises(InputError, match="predicted labels are bool"):
        confusion_counts(np.array([True]), np.array([1.0]))
    with pytest.raises(InputError, match="finite"):
        average_precision(np.array([True]), np.array([np.inf]))
