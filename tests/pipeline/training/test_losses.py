import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

from pneumoseg.data_io.errors import InputError
from pneumoseg.pipeline.settings.schema import LossSettings
from pneumoseg.pipeline.training import losses

SMOOTH = 1e-6
WEIGHTS = (0.5, 1.0, 1.0, 3.0)


def reference(labels: np.ndarray, probabilities: np.ndarray, alpha=0.5, beta=0.5) -> dict[str, float]:
    """Every loss from its formula, voxel by voxel and class by class, in float64."""
    samples, classes = labels.shape[0], probabilities.shape[-1]
    truth = labels.reshape(samples, -1)
    guess = probabilities.reshape(samples, -1, classes).astype(np.float64)
    index, dice, iou = (np.zeros((samples, classes)) for _ in range(3))
    for sample, label in itertools.product(range(samples), range(classes)):
        is_label = truth[sample] == label
        chance = guess[sample, :, label]
        tp, fn, fp = chance[is_label].sum(), (1 - chance[is_label]).sum(), chance[~is_label].sum()
        index[sample, label] = (tp + SMOOTH) / (tp + alpha * fn + beta * fp + SMOOTH)
        iou[sample, label] = (tp + SMOOTH) / (is_label.sum() + chance.sum() - tp + SMOOTH)
        dice[sample, label] = (2 * tp + SMOOTH) / (is_label.sum() + chance.sum() + SMOOTH)
    kept = np.clip(guess.astype(np.float32), np.float32(1e-7), np.float32(1 - 1e-7)).astype(np.float64)
    p = np.take_along_axis(kept, truth[..., None].astype(int), axis=-1)[..., 0]
    is_label = truth[..., None] == np.arange(classes)
    against_the_rest = np.where(is_label, -alpha * np.log(kept), -beta * np.log(1 - kept)).mean()
    rare = np.where(truth == 0, beta, alpha) / (alpha + beta)
    symmetric = (-rare * (1 - p) ** 0.5 * np.log(p)).mean()
    asymmetric = (-rare * np.where(truth == 0, (1 - p) ** 0.5, 1) * np.log(p)).mean()
    missing = 1 - index
    some_focused = np.concatenate([missing[:, :1], missing[:, 1:] ** 0.5], axis=1)
    crossentropy = -np.log(p).mean()
    weighted_dice = (dice * WEIGHTS).sum(axis=1).mean() / sum(WEIGHTS)
    return {
        "tversky": missing.sum(axis=1).mean(),
        "crossentropy": crossentropy,
        "tversky-crossentropy": missing.sum(axis=1).mean() + crossentropy,
        "dice": 1 - dice.mean(),
        "dice-crossentropy": 1 - dice.mean() + crossentropy,
        "jaccard": 1 - iou.mean(),
        "focal": (-((1 - p) ** 2) * np.log(p)).mean(),
        "focal-tversky": (missing**0.75).mean(),
        "combo": 0.5 * against_the_rest + 0.5 * (1 - dice.mean()),
        "unified-focal": 0.5 * symmetric + 0.5 * (missing**0.5).mean(),
        "asymmetric-unified-focal": 0.5 * asymmetric + 0.5 * some_focused.mean(),
        "weighted dice": 1 - weighted_dice,
        "weighted jaccard": 1 - (iou * WEIGHTS).sum(axis=1).mean() / sum(WEIGHTS),
        "weighted focal": (-np.asarray(WEIGHTS)[truth] * (1 - p) ** 2 * np.log(p)).mean(),
    }


def batch(kind: str, dimensions: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(7)
    shape = (2, *(6, 5, 4)[:dimensions])
    labels = {
        "all classes": rng.integers(0, 4, shape),
        "a class absent": rng.integers(0, 3, shape),
        "all background": np.zeros(shape, int),
        "sure and wrong": np.full(shape, 2),
        "sure and right": np.full(shape, 1),
    }[kind]
    scores = rng.normal(size=(*shape, 4))
    probabilities = np.exp(scores) / np.exp(scores).sum(axis=-1, keepdims=True)
    if kind.startswith("sure"):
        probabilities = np.eye(4)[np.full(shape, 1)]
    return labels[..., None].astype(np.uint8), probabilities.astype(np.float32)


KINDS = ["all classes", "a class absent", "all background", "sure and wrong", "sure and right"]


@pytest.mark.parametrize("dimensions", [2, 3])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", losses.LOSSES)
def test_equals_the_formula(name, kind, dimensions):
    labels, probabilities = batch(kind, dimensions)
    value = float(losses.make_loss(LossSettings(name=name), 4)(labels, probabilities))
    # The slope of roots is infinite at 0: there, float32's rounding of the index shows.
    assert value == pytest.approx(reference(labels[..., 0], probabilities)[name], rel=1e-5, abs=5e-4)


@pytest.mark.parametrize("name", ["tversky", "tversky-crossentropy", "focal-tversky", "combo", "unified-focal"])
def test_misses_and_false_alarms_are_weighed(name):
    labels, probabilities = batch("all classes", 3)
    value = float(losses.make_loss(LossSettings(name=name, alpha=0.3, beta=0.7), 4)(labels, probabilities))
    assert value == pytest.approx(reference(labels[..., 0], probabilities, 0.3, 0.7)[name], rel=1e-5)


@pytest.mark.parametrize("name", ["dice", "jaccard", "focal"])
def test_classes_are_weighed(name):
    labels, probabilities = batch("all classes", 3)
    value = float(losses.make_loss(LossSettings(name=name, class_weights=WEIGHTS), 4)(labels, probabilities))
    assert value == pytest.approx(reference(labels[..., 0], probabilities)[f"weighted {name}"], rel=1e-5)


@pytest.mark.parametrize("sure", [1.0, 0.999])
@pytest.mark.parametrize("name", losses.LOSSES)
def test_two_classes_and_finite_slopes_for_sure_predictions(name, sure):
    labels = np.array([[0, 1, 1, 0]], np.uint8)[..., None]
    certain = np.array([[0, 1, 0, 0]]) == 1
    probabilities = tf.constant(np.stack([np.where(certain, 1 - sure, sure), np.where(certain, sure, 1 - sure)], -1))
    with tf.GradientTape() as tape:
        tape.watch(probabilities)
        loss = losses.make_loss(LossSettings(name=name), 2)(labels, probabilities)
    slope = np.asarray(tape.gradient(loss, probabilities))
    assert np.isfinite(slope).all()
    assert float(loss) > 0
    assert sure == 1.0 or slope[0, 2, 1] < 0 <= slope[0, 2, 0]  # the wrong voxel is drawn to class 1


def test_a_perfect_prediction_costs_nothing():
    labels, probabilities = batch("sure and right", 3)
    assert float(losses.tversky_crossentropy(labels, probabilities)) == pytest.approx(0.0, abs=1e-5)
    assert float(losses.soft_dice(labels, probabilities)) == pytest.approx(1.0)


def test_a_loss_of_ones_own_and_an_unknown_one():
    own = losses.make_loss(LossSettings(name="pneumoseg.pipeline.training.losses:soft_dice"), 4)
    labels, probabilities = batch("all classes", 3)
    assert float(own(labels, probabilities)) == float(losses.soft_dice(labels, probabilities))
    with pytest.raises(InputError, match="loss tverski: not known; did you mean tversky"):
        losses.make_loss(LossSettings(name="tverski"), 4)
    with pytest.raises(InputError, match="cannot be imported"):
        losses.make_loss(LossSettings(name="no_such_module:loss"), 4)


def test_class_weights_that_do_not_fit():
    with pytest.raises(InputError, match="one for each of the 4 classes"):
        losses.make_loss(LossSettings(name="dice", class_weights=(1, 2)), 4)
    with pytest.raises(InputError, match="takes none; those that do are dice, jaccard, dice-crossentropy, focal"):
        losses.make_loss(LossSettings(name="tversky", class_weights=WEIGHTS), 4)


def test_of_two_classes_the_foreground_alone_by_hand():
    labels = np.array([[0, 1, 1, 0]], np.uint8)[..., None]
    p = np.array([[0.1, 0.8, 0.6, 0.5]])
    probabilities = np.stack([1 - p, p], axis=-1).astype(np.float32)
    one_class = {"class_weights": (0, 1)}
    # Overlap 0.8 + 0.6 = 1.4; reference 2; predicted 2.
    assert float(losses.make_loss(LossSettings(name="dice", **one_class), 2)(labels, probabilities)) == pytest.approx(
        1 - 2 * 1.4 / 4
    )
    assert float(losses.make_loss(LossSettings(name="jaccard", **one_class), 2)(labels, probabilities)) == (
        pytest.approx(1 - 1.4 / 2.6)
    )


def test_cross_entropy_of_two_classes_is_kerass_binary_one():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, (2, 5, 4, 1)).astype(np.uint8)
    p = rng.uniform(size=(2, 5, 4, 1)).astype(np.float32)
    expected = float(keras.losses.BinaryCrossentropy()(labels, p))
    assert float(losses.crossentropy(labels, np.concatenate([1 - p, p], axis=-1))) == pytest.approx(expected, rel=1e-5)
