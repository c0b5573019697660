"""Losses and metrics of segmentation, for any number of spatial dimensions and classes.

All take `labels` (batch, ..., 1), class numbers, and `probabilities` (batch, ..., classes), and return one number, the
mean over the batch. Labels become one-hot here, on the device. Sums run over the voxels of each sample and class, means
over those that count: the label IGNORED is one-hot of no class, and counts nowhere.
A custom loss is such a function, named "module:function" in the settings:

    def brier(labels, probabilities):
        return keras.ops.mean(keras.ops.square(losses.one_hot(labels, probabilities) - probabilities))
"""

import functools
from collections.abc import Callable, Sequence

from pneumoseg.data_io.errors import InputError
from pneumoseg.pipeline.runtime.keras_backend import keras
from pneumoseg.pipeline.settings import plugins
from pneumoseg.pipeline.settings.schema import LossSettings
from pneumoseg.pipeline.training.labelled_voxels import as_far_as_labelled, counted, mean_of_counted, one_hot

ops = keras.ops

Loss = Callable
Weights = Sequence[float] | None
_EPSILON = 1e-7


def soft_dice(labels, probabilities, *, smooth: float = 1e-6, class_weights: Weights = None):
    """Soft Dice coefficient (Milletari et al. 2016, without squares): mean over samples and classes of
    (2 TP + s) / (reference + predicted + s), the classes weighted by `class_weights`.

    >>> labels, even = ops.array([[[0], [1]]]), ops.full((1, 2, 2), 0.5)
    >>> round(float(soft_dice(labels, even)), 4)  # 2 x 0.5 / (1 + 1) for each class
    0.5
    """
    overlap, reference, predicted = _sums(labels, probabilities)
    return _mean_over_classes((2.0 * overlap + smooth) / (reference + predicted + smooth), class_weights)


def dice(labels, probabilities, *, smooth: float = 1e-6, class_weights: Weights = None):
    """1 - soft Dice coefficient. Of two classes, the weights (0, 1) give that of the foreground alone.

    >>> round(float(dice(ops.array([[[0], [1]]]), ops.full((1, 2, 2), 0.5))), 4)
    0.5
    """
    return 1.0 - soft_dice(labels, probabilities, smooth=smooth, class_weights=class_weights)


def jaccard(labels, probabilities, *, smooth: float = 1e-6, class_weights: Weights = None):
    """1 - soft intersection over union (Rahman and Wang 2016): mean over samples and classes of
    (TP + s) / (reference + predicted - TP + s), the classes weighted by `class_weights`.

    >>> round(float(jaccard(ops.array([[[0], [1]]]), ops.full((1, 2, 2), 0.5))), 4)  # 1 - 0.5 / (1 + 1 - 0.5)
    0.6667
    """
    overlap, reference, predicted = _sums(labels, probabilities)
    index = (overlap + smooth) / (reference + predicted - overlap + smooth)
    return 1.0 - _mean_over_classes(index, class_weights)


def crossentropy(labels, probabilities):
    """Mean over voxels of -log(probability of the true class), probabilities kept within [1e-7, 1 - 1e-7].

    Of two classes, whose probabilities are p and 1 - p, this is the binary cross-entropy.

    >>> round(float(crossentropy(ops.array([[[0], [1]]]), ops.full((1, 2, 2), 0.5))), 4)  # log 2
    0.6931
    """
    return mean_of_counted(-ops.log(_true(labels, probabilities)), labels)


def dice_crossentropy(labels, probabilities, *, smooth: float = 1e-6, class_weights: Weights = None):
    """Soft Dice loss + cross-entropy.

    >>> round(float(dice_crossentropy(ops.array([[[0], [1]]]), ops.full((1, 2, 2), 0.5))), 4)  # 0.5 + log 2
    1.1931
    """
    return dice(labels, probabilities, smooth=smooth, class_weights=class_weights) + crossentropy(labels, probabilities)


def tversky(labels, probabilities, *, alpha: float = 0.5, beta: float = 0.5, smooth: float = 1e-6):
    """Tversky loss (Salehi et al. 2017) as MIScnn defines it for several classes.

    n_classes - sum over classes of (TP + s) / (TP + alpha FN + beta FP + s), averaged over samples. With
    alpha = beta = 0.5 each term is a soft Dice. A class absent from sample and prediction costs nothing.

    >>> round(float(tversky(ops.array([[[0], [1]]]), ops.full((1, 2, 2), 0.5))), 4)  # 2 - (0.5 + 0.5)
    1.0
    """
    index = _tversky_index(labels, probabilities, alpha, beta, smooth)
    return ops.mean(ops.cast(index.shape[-1], "float32") - ops.sum(index, axis=-1))


def tversky_crossentropy(labels, probabilities, *, alpha: float = 0.5, beta: float = 0.5, smooth: float = 1e-6):
    """Tversky loss + cross-entropy.

    >>> round(float(tversky_crossentropy(ops.array([[[0], [1]]]), ops.full((1, 2, 2), 0.5))), 4)  # 1 + log 2
    1.6931
    """
    return tversky(labels, probabilities, alpha=alpha, beta=beta, smooth=smooth) + crossentropy(labels, probabilities)


def focal_tversky(labels, probabilities, *, alpha=0.5, beta=0.5, smooth=1e-6, focus: float = 0.75):
    """Focal Tversky loss (Abraham and Khan 2019): mean over samples and classes of (1 - Tversky index) ** focus.

    >>> round(float(focal_tversky(ops.array([[[0], [1]]]), ops.full((1, 2, 2), 0.5), focus=2.0)), 4)  # 0.5 ** 2
    0.25
    """
    index = _tversky_index(labels, probabilities, alpha, beta, smooth)
    return ops.mean(_power(1.0 - index, focus))


def focal(labels, probabilities, *, focus: float = 2.0, class_weights: Weights = None):
    """Focal loss (Lin et al. 2017): mean over voxels of -w (1 - p) ** focus log p, p the true class's probability and w
    its weight.

    >>> round(float(focal(ops.array([[[0], [1]]]), ops.full((1, 2, 2), 0.5))), 4)  # 0.5 ** 2 x log 2
    0.1733
    """
    true = _true(labels, probabilities)
    loss = -_power(1.0 - true, focus) * ops.log(true)
    if class_weights is not None:
        loss = loss * _weight_of_true(labels, probabilities, class_weights)
    return mean_of_counted(loss, labels)


def combo(labels, probabilities, *, alpha=0.5, beta=0.5, smooth=1e-6, balance: float = 0.5):
    """Combo loss (Taghanaki et al. 2019): balance x cross-entropy + (1 - balance) x soft Dice loss.

    The cross-entropy is that of each class against the rest, -(alpha t log p + beta (1 - t) log(1 - p)), averaged over
    voxels and classes.

    >>> round(float(combo(ops.array([[[0], [1]]]), ops.full((1, 2, 2), 0.5))), 4)  # 0.5 x log(2) / 2 + 0.5 x 0.5
    0.4233
    """
    reference, kept = one_hot(labels, probabilities), _clipped(probabilities)
    missed, invented = reference * ops.log(kept), (1.0 - reference) * ops.log(1.0 - kept)
    entropy = -mean_of_counted(ops.mean(alpha * missed + beta * invented, axis=-1), labels)
    return balance * entropy + (1.0 - balance) * dice(labels, probabilities, smooth=smooth)


def unified_focal(labels, probabilities, *, alpha=0.5, beta=0.5, smooth=1e-6, focus=0.5, balance=0.5, asymmetric=False):
    """Unified focal loss (Yeung et al. 2022): balance x modified focal loss + (1 - balance) x focal Tversky loss.

    Classes but the background weigh d = alpha / (alpha + beta) in the focal loss, -d (1 - p) ** (1 - focus) log p, the
    background 1 - d; the Tversky term is (1 - index) ** focus. `asymmetric`: only the background is focused in the
    first, only the other classes in the second.

    >>> round(float(unified_focal(ops.array([[[0], [1]]]), ops.full((1, 2, 2), 0.5), focus=1.0)), 4)  # as combo
    0.4233
    """
    rare = alpha / (alpha + beta)
    true = _true(labels, probabilities)
    is_background = ops.cast(labels[..., 0] == 0, "float32")
    focused = _power(1.0 - true, 1.0 - focus)
    factor = is_background * (1.0 - rare) * focused + (1.0 - is_background) * rare * (1.0 if asymmetric else focused)
    missing = 1.0 - _tversky_index(labels, probabilities, alpha, beta, smooth)
    powers = _power(missing, focus)
    if asymmetric:
        powers = ops.concatenate([missing[:, :1], powers[:, 1:]], axis=-1)
    focal_loss = mean_of_counted(-factor * ops.log(true), labels)
    return balance * focal_loss + (1.0 - balance) * ops.mean(powers)


LOSSES: dict[str, tuple[Loss, tuple[str, ...]]] = {
    "dice": (dice, ("smooth", "class_weights")),
    "jaccard": (jaccard, ("smooth", "class_weights")),
    "crossentropy": (crossentropy, ()),
    "dice-crossentropy": (dice_crossentropy, ("smooth", "class_weights")),
    "tversky": (tversky, ("alpha", "beta", "smooth")),
    "tversky-crossentropy": (tversky_crossentropy, ("alpha", "beta", "smooth")),
    "focal-tversky": (focal_tversky, ("alpha", "beta", "smooth", "focus")),
    "focal": (focal, ("focus", "class_weights")),
    "combo": (combo, ("alpha", "beta", "smooth", "balance")),
    "unified-focal": (unified_focal, ("alpha", "beta", "smooth", "focus", "balance")),
    "asymmetric-unified-focal": (
        functools.partial(unified_focal, asymmetric=True),
        ("alpha", "beta", "smooth", "focus", "balance"),
    ),
}
"""The losses by name, and which of the LossSettings each of them takes."""


def make_loss(settings: LossSettings, classes: int) -> Loss:
    """The loss that the settings name, as a function of (labels, probabilities) that takes hidden classes into account,
    see `as_far_as_labelled`.

    Raises InputError where there is none of that name, and for class weights that the loss does not take or that are
    not one for each of the classes.

    >>> loss = make_loss(LossSettings(name="dice", smooth=1.0), classes=2)
    >>> round(float(loss(ops.array([[[0], [1]]]), ops.full((1, 2, 2), 0.5))), 4)  # 1 - (2 x 0.5 + 1) / (1 + 1 + 1)
    0.3333
    """
    function, takes = LOSSES.get(settings.name, (None, ()))
    weights = settings.class_weights
    if weights is not None and "class_weights" not in takes:
        able = ", ".join(name for name, (_, fields) in LOSSES.items() if "class_weights" in fields)
        raise InputError(f"loss.class_weights: the loss {settings.name} takes none; those that do are {able}")
    if weights is not None and (len(weights) != classes or sum(weights) == 0):
        raise InputError(f"loss.class_weights: one for each of the {classes} classes, not all 0, found {list(weights)}")
    if settings.name.endswith("unified-focal") and (settings.focus or 0.0) > 1.0:
        raise InputError(f"loss.focus: 0 to 1 for the loss {settings.name}, found {settings.focus:g}")
    if function is None:
        return as_far_as_labelled(
            plugins.find(settings.name, {name: loss for name, (loss, _) in LOSSES.items()}, "loss")
        )
    given = {name: getattr(settings, name) for name in takes}
    given = {name: value for name, value in given.items() if value is not None}
    return as_far_as_labelled(functools.update_wrapper(functools.partial(function, **given), function))


def _sums(labels, probabilities):
    """Per sample and class: sum of reference x predicted, of reference, of predicted; each (batch, classes)."""
    probabilities = ops.cast(probabilities, "float32")
    reference = one_hot(labels, probabilities)
    voxels = tuple(range(1, len(probabilities.shape) - 1))
    return (
        ops.sum(reference * probabilities, axis=voxels),
        ops.sum(reference, axis=voxels),
        ops.sum(probabilities * counted(labels)[..., None], axis=voxels),
    )


def _tversky_index(labels, probabilities, alpha: float, beta: float, smooth: float):
    overlap, reference, predicted = _sums(labels, probabilities)
    return (overlap + smooth) / (overlap + alpha * (reference - overlap) + beta * (predicted - overlap) + smooth)


def _mean_over_classes(scores, class_weights: Weights):
    """Mean over samples of the (weighted) mean over classes of (batch, classes)."""
    if class_weights is None:
        return ops.mean(scores)
    weights = ops.convert_to_tensor(class_weights, dtype="float32")
    return ops.mean(ops.sum(scores * weights, axis=-1) / ops.sum(weights))


def _clipped(probabilities):
    return ops.clip(ops.cast(probabilities, "float32"), _EPSILON, 1.0 - _EPSILON)


def _true(labels, probabilities):
    """The probability of each voxel's true class, (batch, ...); 1 where a voxel does not count."""
    probabilities = _clipped(probabilities)
    return ops.sum(one_hot(labels, probabilities) * probabilities, axis=-1) + (1.0 - counted(labels))


def _weight_of_true(labels, probabilities, class_weights: Sequence[float]):
    return ops.sum(one_hot(labels, probabilities) * ops.convert_to_tensor(class_weights, dtype="float32"), axis=-1)


def _power(base, exponent: float):
    """base ** exponent with a finite slope at 0, where exponents below 1 have none."""
    return ops.power(ops.maximum(base, _EPSILON), exponent)
