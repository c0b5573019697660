"""Losses and metrics of segmentation, for any number of spatial dimensions and classes.

All take `labels` (batch, ..., 1), class numbers, and `probabilities` (batch, ..., classes), and return one number, the
mean over the batch. Labels become one-hot here, on the device. Sums run over the voxels of each sample and class.
A loss of one's own is such a function, named "module:function" in the settings:

    def brier(labels, probabilities):
        return keras.ops.mean(keras.ops.square(losses.one_hot(labels, probabilities) - probabilities))
"""

from collections.abc import Callable

from keras import ops

from pipeline import plugins
from pipeline.settings import LossSettings

Loss = Callable
_EPSILON = 1e-7


def one_hot(labels, probabilities):
    """Labels (batch, ..., 1) as float32 (batch, ..., classes)."""
    return ops.one_hot(ops.cast(labels[..., 0], "int32"), probabilities.shape[-1], dtype="float32")


def tversky(labels, probabilities, alpha: float = 0.5, beta: float = 0.5, smooth: float = 1e-6):
    """Tversky loss (Salehi et al. 2017) as MIScnn defines it for several classes.

    n_classes - sum over classes of (TP + s) / (TP + alpha FN + beta FP + s), averaged over samples. With
    alpha = beta = 0.5 each term is a soft Dice. A class absent from sample and prediction costs nothing.
    """
    overlap, reference, predicted = _sums(labels, probabilities)
    misses, false_alarms = reference - overlap, predicted - overlap
    index = (overlap + smooth) / (overlap + alpha * misses + beta * false_alarms + smooth)
    return ops.mean(ops.cast(index.shape[-1], "float32") - ops.sum(index, axis=-1))


def crossentropy(labels, probabilities):
    """Mean over voxels of -log(probability of the true class), probabilities kept within [1e-7, 1 - 1e-7]."""
    probabilities = ops.clip(ops.cast(probabilities, "float32"), _EPSILON, 1.0 - _EPSILON)
    return -ops.mean(ops.sum(one_hot(labels, probabilities) * ops.log(probabilities), axis=-1))


def soft_dice(labels, probabilities, smooth: float = 1e-6):
    """Soft Dice coefficient (Milletari et al. 2016, without squares): mean over samples and classes of
    (2 TP + s) / (reference + predicted + s)."""
    overlap, reference, predicted = _sums(labels, probabilities)
    return ops.mean((2.0 * overlap + smooth) / (reference + predicted + smooth))


def tversky_crossentropy(labels, probabilities, alpha: float = 0.5, beta: float = 0.5, smooth: float = 1e-6):
    """Tversky loss + cross-entropy."""
    return tversky(labels, probabilities, alpha, beta, smooth) + crossentropy(labels, probabilities)


def dice_loss(labels, probabilities, smooth: float = 1e-6):
    """1 - soft Dice coefficient."""
    return 1.0 - soft_dice(labels, probabilities, smooth)


def dice_crossentropy(labels, probabilities, smooth: float = 1e-6):
    """Soft Dice loss + cross-entropy."""
    return dice_loss(labels, probabilities, smooth) + crossentropy(labels, probabilities)


METRICS: dict[str, Loss] = {
    "tversky": tversky,
    "soft-dice": soft_dice,
    "dice-crossentropy": dice_crossentropy,
    "crossentropy": crossentropy,
}


def make_loss(settings: LossSettings) -> Loss:
    """The loss that the settings name, as a function of (labels, probabilities)."""
    alpha, beta, smooth = settings.alpha, settings.beta, settings.smooth
    known: dict[str, Loss] = {
        "tversky": lambda labels, probabilities: tversky(labels, probabilities, alpha, beta, smooth),
        "tversky-crossentropy": lambda labels, probabilities: tversky_crossentropy(
            labels, probabilities, alpha, beta, smooth
        ),
        "dice": lambda labels, probabilities: dice_loss(labels, probabilities, smooth),
        "dice-crossentropy": lambda labels, probabilities: dice_crossentropy(labels, probabilities, smooth),
        "crossentropy": crossentropy,
    }
    return plugins.find(settings.name, known, "loss")


def make_metric(name: str) -> Loss:
    """The metric of that name, as a function of (labels, probabilities)."""
    return plugins.find(name, METRICS, "metric")


def _sums(labels, probabilities):
    """Per sample and class: sum of reference x predicted, of reference, of predicted; each (batch, classes)."""
    probabilities = ops.cast(probabilities, "float32")
    reference = one_hot(labels, probabilities)
    voxels = tuple(range(1, len(probabilities.shape) - 1))
    return (
        ops.sum(reference * probabilities, axis=voxels),
        ops.sum(reference, axis=voxels),
        ops.sum(probabilities, axis=voxels),
    )
