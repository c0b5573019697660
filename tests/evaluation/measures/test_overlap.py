"""Overlap scores against counts made by hand and against scikit-learn."""

import math

import numpy as np
import pytest
from sklearn import metrics

from pneumoseg.data_io.errors import InputError
from pneumoseg.evaluation.measures.overlap import (
    OVERLAP_SCORES,
    MaskCounts,
    confusion,
    dice,
    iou,
    jaccard_distance,
    mask_counts,
    precision,
    sensitivity,
)


def by_hand() -> tuple[np.ndarray, np.ndarray]:
    """Reference: class 1 fills the slab x = 0 (16 voxels). Prediction: class 1 in half of it and in half of x = 1."""
    reference = np.zeros((4, 4, 4), np.uint8)
    prediction = np.zeros((4, 4, 4), np.uint8)
    reference[0] = 1
    prediction[:2, :2] = 1
    return reference, prediction


def test_confusion_counts_pairs_of_labels():
    assert confusion(*by_hand(), 2).tolist() == [[40, 8], [8, 8]]


def test_scores_made_by_hand():
    counts = mask_counts(confusion(*by_hand(), 2), [1])
    assert counts == MaskCounts(true_positive=8, false_positive=8, false_negative=8, true_negative=40)
    scores = {name: formula(counts) for name, formula in OVERLAP_SCORES.items()}
    assert scores == {
        "dice": 16 / 32,
        "iou": 8 / 24,
        "sensitivity": 8 / 16,
        "specificity": 40 / 48,
        "precision": 8 / 16,
        "accuracy": 48 / 64,
    }


def test_the_jaccard_distance_is_what_the_iou_lacks():
    for counts in (MaskCounts(8, 8, 8, 40), MaskCounts(0, 0, 5, 59), MaskCounts(7, 0, 0, 1)):
        assert jaccard_distance(counts) == pytest.approx(1 - iou(counts))
    assert math.isnan(jaccard_distance(MaskCounts(0, 0, 0, 64)))


def test_the_memory_order_of_the_masks_changes_nothing():
    rng = np.random.default_rng(0)
    reference, prediction = rng.integers(0, 4, (2, 5, 6, 7), dtype=np.uint8)
    expected = confusion(reference, prediction, 4)
    assert (confusion(np.asfortranarray(reference), prediction, 4) == expected).all()
    assert (confusion(reference[::-1, :, ::-1], prediction[::-1, :, ::-1], 4) == expected).all()
    assert expected.dtype == np.int64


@pytest.mark.parametrize("members", [[0], [1], [3], [1, 2, 3]])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_equals_scikit_learn(members, seed):
    rng = np.random.default_rng(seed)
    reference, prediction = rng.integers(0, 4, (2, 6, 5, 4), dtype=np.uint8)
    counts = mask_counts(confusion(reference, prediction, 4), members)
    truth, found = np.isin(reference, members).ravel(), np.isin(prediction, members).ravel()
    assert {name: formula(counts) for name, formula in OVERLAP_SCORES.items()} == pytest.approx(
        {
            "dice": metrics.f1_score(truth, found),
            "iou": metrics.jaccard_score(truth, found),
            "sensitivity": metrics.recall_score(truth, found),
            "specificity": metrics.recall_score(~truth, ~found),
            "precision": metrics.precision_score(truth, found),
            "accuracy": metrics.accuracy_score(truth, found),
        },
        rel=1e-12,
    )


def test_one_class_taken_for_another_is_no_error_within_their_group():
    reference = np.full((4, 4, 4), 1, np.uint8)
    prediction = np.full((4, 4, 4), 3, np.uint8)
    matrix = confusion(reference, prediction, 4)
    assert dice(mask_counts(matrix, [1])) == 0
    assert dice(mask_counts(matrix, [1, 2, 3])) == 1


def test_both_empty_is_undefined():
    counts = MaskCounts(0, 0, 0, 64)
    assert counts.status == "both_empty"
    assert all(math.isnan(score(counts)) for score in (dice, iou, sensitivity, precision))


def test_only_the_reference_empty_is_zero_and_flagged():
    counts = MaskCounts(0, 5, 0, 59)
    assert counts.status == "reference_empty"
    assert (dice(counts), iou(counts), precision(counts)) == (0, 0, 0)
    assert math.isnan(sensitivity(counts))


def test_only_the_prediction_empty_is_zero_and_flagged():
    counts = MaskCounts(0, 0, 5, 59)
    assert counts.status == "prediction_empty"
    assert (dice(counts), iou(counts), sensitivity(counts)) == (0, 0, 0)
    assert math.isnan(precision(counts))


def test_different_shapes_are_refused():
    with pytest.raises(InputError, match=r"one shape.*\(4, 4, 4\).*\(4, 4, 3\)"):
        confusion(np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4, 3), np.uint8), 2)


def test_a_label_outside_the_classes_is_refused():
    with pytest.raises(InputError, match=r"0\.\.1, found 0\.\.2 in the prediction"):
        confusion(np.zeros((4, 4, 4), np.uint8), np.full((4, 4, 4), 2, np.uint8), 2)


def test_a_negative_label_is_refused():
    with pytest.raises(InputError, match=r"found -1\.\.0 in the reference"):
        confusion(np.full((4, 4, 4), -1, np.int16), np.zeros((4, 4, 4), np.uint8), 2)


def test_probabilities_are_refused():
    with pytest.raises(InputError, match=r"whole numbers.*prediction of type float32"):
        confusion(np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4, 4), np.float32), 2)


@pytest.mark.parametrize("members", [[], [4], [-1], [1, 1]])
def test_a_group_of_wrong_classes_is_refused(members):
    with pytest.raises(InputError, match="a group needs different classes"):
        mask_counts(np.ones((4, 4), np.int64), members)
