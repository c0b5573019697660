import numpy as np
import pytest

from data_io.errors import InputError
from pipeline import losses
from pipeline.settings import LossSettings

SMOOTH = 1e-6


def reference(labels: np.ndarray, probabilities: np.ndarray, alpha=0.5, beta=0.5) -> dict[str, float]:
    """Every loss from its formula, voxel sums in float64."""
    samples, classes = labels.shape[0], probabilities.shape[-1]
    truth = labels.reshape(samples, -1)
    guess = probabilities.reshape(samples, -1, classes).astype(np.float64)
    tversky = np.zeros(samples)
    dice = np.zeros((samples, classes))
    for sample in range(samples):
        tversky[sample] = classes
        for label in range(classes):
            is_label = truth[sample] == label
            chance = guess[sample, :, label]
            tp, fn, fp = chance[is_label].sum(), (1 - chance[is_label]).sum(), chance[~is_label].sum()
            tversky[sample] -= (tp + SMOOTH) / (tp + alpha * fn + beta * fp + SMOOTH)
            dice[sample, label] = (2 * tp + SMOOTH) / (is_label.sum() + chance.sum() + SMOOTH)
    picked = np.take_along_axis(guess, truth[..., None].astype(int), axis=-1)
    crossentropy = -np.log(np.clip(picked, 1e-7, 1 - 1e-7)).mean()
    return {
        "tversky": tversky.mean(),
        "crossentropy": crossentropy,
        "tversky-crossentropy": tversky.mean() + crossentropy,
        "dice": 1 - dice.mean(),
        "dice-crossentropy": 1 - dice.mean() + crossentropy,
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
@pytest.mark.parametrize("name", ["tversky", "crossentropy", "tversky-crossentropy", "dice", "dice-crossentropy"])
def test_equals_the_formula(name, kind, dimensions):
    labels, probabilities = batch(kind, dimensions)
    value = float(losses.make_loss(LossSettings(name=name))(labels, probabilities))
    assert value == pytest.approx(reference(labels[..., 0], probabilities)[name], rel=1e-5, abs=1e-5)


def test_tversky_weighs_misses_and_false_alarms():
    labels, probabilities = batch("all classes", 3)
    value = float(losses.make_loss(LossSettings(name="tversky", alpha=0.3, beta=0.7))(labels, probabilities))
    assert value == pytest.approx(reference(labels[..., 0], probabilities, 0.3, 0.7)["tversky"], rel=1e-5)


def test_a_perfect_prediction_costs_nothing():
    labels, probabilities = batch("sure and right", 3)
    assert float(losses.tversky_crossentropy(labels, probabilities)) == pytest.approx(0.0, abs=1e-5)
    assert float(losses.soft_dice(labels, probabilities)) == pytest.approx(1.0)


def test_a_loss_of_ones_own_and_an_unknown_one():
    assert losses.make_loss(LossSettings(name="pipeline.losses:soft_dice")) is losses.soft_dice
    with pytest.raises(InputError, match="loss tverski: not known"):
        losses.make_loss(LossSettings(name="tverski"))
    with pytest.raises(InputError, match="cannot be imported"):
        losses.make_loss(LossSettings(name="no_such_module:loss"))
