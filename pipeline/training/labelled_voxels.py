"""What the labels of a batch say about each voxel, for losses and metrics: its class, whether it counts, and which
other classes it may be.

Labels are (batch, ..., 1) class numbers; IGNORED marks voxels that do not count, and int32 labels of
`partial_labels.with_hidden` name the classes that may hide under them.
"""

import functools
from collections.abc import Callable

from pneumoseg.data_io.volumes.partial_labels import IGNORED, LABEL_BITS, MOST_HIDING
from pneumoseg.pipeline.runtime.keras_backend import keras

ops = keras.ops


def one_hot(labels, probabilities):
    """Labels (batch, ..., 1) as float32 (batch, ..., classes), 0 for all classes where a voxel does not count.

    >>> ops.convert_to_numpy(one_hot(ops.array([[[0], [1], [255]]]), ops.zeros((1, 3, 2)))).tolist()
    [[[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]]]
    """
    numbers = ops.cast(labels[..., 0], "int32")
    return ops.one_hot(ops.where(numbers == IGNORED, -1, numbers), probabilities.shape[-1], dtype="float32")


def counted(labels):
    """1 for each voxel that counts, else 0, float32: (batch, ...) of labels (batch, ..., 1)."""
    return ops.cast(labels[..., 0] != IGNORED, "float32")


def mean_of_counted(values, labels):
    """The mean of (batch, ...) over the voxels that count; 0 where none does.

    >>> float(mean_of_counted(ops.array([[1.0, 3.0, 9.0]]), ops.array([[[0], [1], [255]]])))
    2.0
    """
    weights = counted(labels)
    return ops.sum(values * weights) / ops.maximum(ops.sum(weights), 1.0)


def as_far_as_labelled(function: Callable) -> Callable:
    """The loss or metric for labels of `partial_labels.with_hidden`: the probability of a class that may hide under a
    voxel's label counts as that of the label (marginal loss, Shi et al. 2021). Other labels are passed on."""

    @functools.wraps(function)
    def of_labelled(labels, probabilities):
        if "int32" not in str(labels.dtype):
            return function(labels, probabilities)
        numbers, bits = labels % 2**LABEL_BITS, labels // 2**LABEL_BITS
        probabilities = ops.cast(probabilities, "float32")
        # Bits from MOST_HIDING on are never set; their numbers would not fit.
        places = [2 ** min(label, MOST_HIDING) for label in range(probabilities.shape[-1])]
        may_hide = bits // ops.convert_to_tensor(places, dtype="int32") % 2
        hidden = probabilities * ops.cast(may_hide, "float32")
        moved = one_hot(numbers, probabilities) * ops.sum(hidden, axis=-1, keepdims=True)
        return function(numbers, probabilities - hidden + moved)

    return of_labelled
