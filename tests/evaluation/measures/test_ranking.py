"""The area under the ROC curve: scikit-learn's, and by eye."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from pneumoseg.data_io.errors import InputError
from pneumoseg.evaluation.measures.ranking import roc_auc


@pytest.mark.parametrize("steps", [3, 255, None])
def test_equals_scikit_learn(steps):
    random = np.random.default_rng(1)
    reference = random.random((6, 7, 8)) < 0.2
    scores = random.random(reference.shape) + 0.3 * reference
    if steps:
        scores = np.rint(scores * steps)
    assert roc_auc(reference, scores) == pytest.approx(roc_auc_score(reference.ravel(), scores.ravel()), abs=1e-12)


def test_by_eye():
    reference = np.array([True, True, False, False])
    assert roc_auc(reference, np.array([0.9, 0.8, 0.1, 0.2])) == 1.0
    assert roc_auc(reference, np.array([0.1, 0.2, 0.8, 0.9])) == 0.0
    assert roc_auc(reference, np.array([0.5, 0.5, 0.5, 0.5])) == 0.5
    assert roc_auc(reference, np.array([0.9, 0.1, 0.1, 0.0])) == 0.875


@pytest.mark.parametrize("filled", [False, True])
def test_one_class_alone_is_undefined(filled):
    assert np.isnan(roc_auc(np.full((2, 2, 2), filled), np.zeros((2, 2, 2))))


def test_bad_scores_are_refused():
    with pytest.raises(InputError, match="finite"):
        roc_auc(np.array([True, False]), np.array([0.0, np.nan]))
    with pytest.raises(InputError, match="one shape"):
        roc_auc(np.array([True, False]), np.zeros(3))
