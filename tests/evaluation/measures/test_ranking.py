"""The area under the ROC curve: scikit-learn's, and by eye."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from pneumoseg.data_io.errors import InputError
from pneumoseg.evaluation.measures.ranking import auc_of_histograms, level_histograms, roc_auc


@pytest.mark.parametrize("steps", [3, 255, None])
def test_equals_scikit_learn(steps):
    random = np.random.default_rng(1)
    reference = random.random((6, 7, 8)) < 0.2
    scores = random.random(reference.shape) + 0.3 * reference
    if steps:
        scores = np.rint(scores * steps)
    assert roc_auc(reference, scores) == pytest.approx(roc_auc_score(reference.ravel(), scores.ravel()), abs=1e-12)


def test_histograms_equal_scikit_learn_on_quantised_probabilities():
    random = np.random.default_rng(2)
    positives, negatives, references, scores = np.zeros(1024), np.zeros(1024), [], []
    for size in (50, 500, 5000):  # three pictures, whose histograms are added up
        reference = random.random(size) < 0.1
        quantised = np.rint(np.clip(0.4 * random.random(size) + 0.5 * reference * random.random(size), 0, 1) * 1023)
        quantised = quantised.astype(np.uint16)
        positives += np.bincount(quantised[reference], minlength=1024)
        negatives += np.bincount(quantised[~reference], minlength=1024)
        references.append(reference)
        scores.append(quantised / 1023)
    expected = roc_auc_score(np.concatenate(references), np.concatenate(scores))
    assert auc_of_histograms(positives, negatives) == pytest.approx(expected, abs=1e-12)


def test_voxels_that_do_not_tell_their_class_are_left_out():
    reference, levels = np.array([[[0, 1, 2]]]), np.array([[[[0, 3], [1, 2], [2, 1]]]], np.uint16)
    telling = np.array([[True, True], [True, False], [False, False]])
    histograms = level_histograms(reference, levels, 4, telling=telling)
    assert histograms.tolist() == [[[1, 0, 0, 0], [0, 1, 0, 0]], [[0, 0, 0, 0], [0, 0, 0, 1]]]
    assert (
        level_histograms(reference, levels, 4, telling=np.ones((3, 2), bool)) == level_histograms(reference, levels, 4)
    ).all()


def test_histograms_by_eye():
    assert auc_of_histograms(np.array([0, 0, 3]), np.array([4, 1, 0])) == 1.0
    assert auc_of_histograms(np.array([2]), np.array([7])) == 0.5  # one bin: all are ties
    assert np.isnan(auc_of_histograms(np.zeros(3), np.array([1, 2, 3])))
    assert np.isnan(auc_of_histograms(np.array([1, 2, 3], np.uint16), np.zeros(3, np.uint16)))
    many = np.full(1024, 65535, np.uint16)  # whose sums would not fit into their own type
    assert auc_of_histograms(many, many) == pytest.approx(0.5)


def test_bad_histograms_are_refused():
    with pytest.raises(InputError, match=r"one length, found \(3,\) and \(4,\)"):
        auc_of_histograms(np.zeros(3), np.zeros(4))
    with pytest.raises(InputError, match="hold counts, found -1"):
        auc_of_histograms(np.array([1, -1]), np.array([1, 1]))


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


def test_histograms_of_levels_count_each_voxel_inside_or_outside():
    rng = np.random.default_rng(1)
    reference, levels = rng.integers(0, 3, (5, 4, 3), np.uint8), rng.integers(0, 8, (5, 4, 3, 3)).astype(np.uint16)
    histograms = level_histograms(reference, levels, 8)
    assert (histograms.shape, histograms.dtype) == ((3, 2, 8), np.uint32)
    for label in range(3):
        inside = reference == label
        np.testing.assert_array_equal(histograms[label, 0], np.bincount(levels[inside, label], minlength=8))
        np.testing.assert_array_equal(histograms[label, 1], np.bincount(levels[~inside, label], minlength=8))
        expected = roc_auc_score(inside.ravel(), levels[..., label].ravel())
        assert auc_of_histograms(*histograms[label]) == pytest.approx(expected, abs=1e-12)
    with pytest.raises(InputError, match="one shape"):
        level_histograms(reference[1:], levels, 8)
