"""The scores of training against those of scikit-learn, and by hand where nothing is to be divided by."""

import keras
import numpy as np
import pytest
import sklearn.metrics

from pneumoseg.data_io.errors import InputError
from pneumoseg.pipeline.settings.training import LOSSES_BY_NAME, history_name
from pneumoseg.pipeline.training import metrics
from pneumoseg.pipeline.training.metrics import METRICS, make_metric

LABELS = np.array([0, 1, 2, 3], np.uint8).reshape(1, 4, 1, 1, 1)
CERTAIN = np.eye(4, dtype=np.float32).reshape(1, 4, 1, 1, 4)
SKLEARN = {
    "precision": sklearn.metrics.precision_score,
    "recall": sklearn.metrics.recall_score,
    "f1": sklearn.metrics.f1_score,
    "dice": sklearn.metrics.f1_score,
    "iou": sklearn.metrics.jaccard_score,
}


@pytest.mark.parametrize("name", METRICS)
def test_a_perfect_prediction_is_better_than_a_wrong_one(name):
    metric = make_metric(name)
    perfect, wrong = (float(metric(LABELS, probabilities)) for probabilities in (CERTAIN, CERTAIN[:, ::-1]))
    assert abs(perfect) < 1e-5 or perfect == pytest.approx(1.0, abs=1e-5)
    assert abs(perfect - wrong) > 0.5
    assert (perfect < wrong) == (name in LOSSES_BY_NAME)


def test_a_metric_that_does_not_exist_is_refused():
    with pytest.raises(InputError, match=r"metric.*tversky"):
        make_metric("tverski")


def test_the_smaller_is_better_of_metrics_that_exist():
    assert set(LOSSES_BY_NAME) - {"loss"} < set(METRICS)
    assert [history_name(name) for name in ("iou", "jaccard-distance")] == ["iou", "jaccard_distance"]


@pytest.fixture(params=[2, 4])
def guesses(request) -> tuple[np.ndarray, np.ndarray]:
    """Labels (3, 9, 8, 1) and probabilities (3, 9, 8, classes), right more often than not."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, request.param, (3, 9, 8, 1)).astype(np.uint8)
    scores = rng.normal(size=(3, 9, 8, request.param)) + 2.0 * (labels == np.arange(request.param))
    probabilities = np.exp(scores) / np.exp(scores).sum(axis=-1, keepdims=True)
    return labels, probabilities.astype(np.float32)


@pytest.mark.parametrize("name", SKLEARN)
def test_equals_scikit_learns_mean_over_samples_and_classes(guesses, name):
    labels, probabilities = guesses
    classes = list(range(1, probabilities.shape[-1]))
    expected = [
        SKLEARN[name](truth.ravel(), guess.ravel(), labels=classes, average="macro")
        for truth, guess in zip(labels[..., 0], probabilities.argmax(axis=-1), strict=True)
    ]
    assert float(make_metric(name)(labels, probabilities)) == pytest.approx(np.mean(expected), abs=1e-6)


def test_accuracy_and_jaccard_distance_equal_scikit_learns(guesses):
    labels, probabilities = guesses
    expected = sklearn.metrics.accuracy_score(labels.ravel(), probabilities.argmax(axis=-1).ravel())
    assert float(metrics.accuracy(labels, probabilities)) == pytest.approx(expected, abs=1e-6)
    distance = float(metrics.jaccard_distance(labels, probabilities))
    assert distance == pytest.approx(1.0 - float(metrics.iou(labels, probabilities)), abs=1e-6)


def test_the_auc_is_scikit_learns_within_its_steps(guesses):
    labels, probabilities = guesses
    expected = sklearn.metrics.roc_auc_score(labels.ravel() > 0, 1.0 - probabilities[..., 0].ravel())
    assert float(metrics.auc(labels, probabilities)) == pytest.approx(expected, abs=3e-3)
    stepped = np.floor(probabilities[..., 0] * 50) / 50 + 0.011  # apart by more than a step, or equal
    same = np.stack([stepped, 1.0 - stepped], axis=-1).astype(np.float32)
    exact = sklearn.metrics.roc_auc_score(labels.ravel() > 0, 1.0 - same[..., 0].ravel())
    assert float(metrics.auc(labels, same)) == pytest.approx(exact, abs=1e-6)


@pytest.mark.parametrize("label", [0, 1])
def test_the_auc_of_one_class_alone_is_a_half(label):
    p = np.random.default_rng(0).uniform(size=(1, 6, 5)).astype(np.float32)
    labels = np.full((1, 6, 5, 1), label, np.uint8)
    assert float(metrics.auc(labels, np.stack([1 - p, p], axis=-1))) == 0.5


@pytest.mark.parametrize(
    ("truth", "guess", "expected"),
    [
        ([0, 0], [0, 0], {"precision": 1, "recall": 1, "dice": 1, "iou": 1, "jaccard-distance": 0}),
        ([0, 0], [0, 1], {"precision": 0, "recall": 0, "dice": 0, "iou": 0, "jaccard-distance": 1}),
        ([0, 1], [0, 0], {"precision": 0, "recall": 0, "dice": 0, "iou": 0, "jaccard-distance": 1}),
    ],
)
def test_without_foreground_the_scores_are_numbers(truth, guess, expected):
    labels = np.array([truth], np.uint8)[..., None]
    probabilities = np.eye(2, dtype=np.float32)[np.array([guess])]
    for name, value in expected.items():
        assert float(make_metric(name)(labels, probabilities)) == value


def test_a_half_is_not_above_the_threshold():
    labels, even = np.ones((1, 1, 1), np.uint8), np.full((1, 1, 2), 0.5, np.float32)
    assert float(metrics.recall(labels, even)) == 0.0
    assert float(metrics.recall(labels, np.array([[[0.49, 0.51]]], np.float32))) == 1.0


def test_all_metrics_are_computed_in_a_graph():
    inputs = keras.Input((None, None, 1))
    model = keras.Model(inputs, keras.layers.Conv2D(2, 1, activation="softmax")(inputs))
    model.compile(loss=METRICS["crossentropy"], metrics=list(METRICS.values()))
    images = np.random.default_rng(0).normal(size=(2, 8, 8, 1)).astype(np.float32)
    found = model.test_on_batch(images, (images > 0).astype(np.uint8))
    assert np.isfinite(found).all()
