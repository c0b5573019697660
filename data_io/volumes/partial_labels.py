"""Masks that label some of the classes only: what a voxel may be beside its label.

A class that a mask does not label may hide under a label: an infection under the lung that it lies in where lungs are
labelled, any class under the background otherwise.
"""

from collections.abc import Collection, Sequence

import numpy as np

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.volumes.labels import LabelTable

IGNORED = 255
"""The label of voxels that do not count, in arrays of class numbers."""
LABEL_BITS = 8
MOST_HIDING = 31 - LABEL_BITS
"""Classes below this number may hide under others: each needs a bit of an int32."""

Hidden = tuple[tuple[int, ...], ...]
"""For each label of a mask, the classes that may hide under it."""


def hidden_classes(table: LabelTable, labelled: Collection[str]) -> Hidden:
    """For each class of the table, the classes that may hide under its label in a mask that labels the classes
    `labelled`, by name, the background apart. Empty for all where `labelled` is empty, which means all classes.

    A class that is not labelled hides under those of `table.within` that are labelled, else under the background.
    Raises InputError for a name that is not in the table, for the background alone, and where one class of a mirror
    pair is labelled without the other.

    >>> from pneumoseg.data_io.volumes.labels import LUNG_LABELS
    >>> hidden_classes(LUNG_LABELS, ["lung_left", "lung_right"])  # infection may lie in either lung
    ((), (3,), (3,), ())
    >>> hidden_classes(LUNG_LABELS, ["infection"])
    ((1, 2), (), (), ())
    """
    if unknown := sorted(set(labelled) - set(table.names)):
        known = ", ".join(table.names)
        raise InputError(f"labels_present: classes are {known}, found {', '.join(unknown)}; correct patients.csv")
    present = {table.names.index(name) for name in labelled} - {0}
    if not labelled:
        return ((),) * len(table)
    if not present:
        raise InputError("labels_present: at least one class beside the background, or nothing for all")
    for pair in table.mirror_pairs:
        if len(present.intersection(pair)) == 1:
            names = " and ".join(table.names[label] for label in pair)
            raise InputError(f"labels_present: {names} change places in mirrored patches; label both or neither")
    hidden: list[list[int]] = [[] for _ in table.names]
    for label in range(1, len(table)):
        if label not in present:
            for host in [outer for inner, outer in table.within if inner == label and outer in present] or [0]:
                hidden[host].append(label)
    return tuple(map(tuple, hidden))


def with_hidden(labels: np.ndarray, hidden: Hidden) -> np.ndarray:
    """Class numbers with the classes that may hide under each: int32, the label in the lowest 8 bits, above them a bit
    for each class that may hide. The labels themselves, uint8, where nothing hides.

    Raises InputError for a hidden class above `MOST_HIDING`.

    >>> with_hidden(np.uint8([0, 1, 255]), ((), (3,), (), ())).tolist()  # 1 + 2 ** (8 + 3)
    [0, 2049, 255]
    """
    if not any(hidden):
        return labels
    if largest := [label for label in (max(one, default=0) for one in hidden) if label >= MOST_HIDING]:
        raise InputError(f"labels_present: classes that are not labelled are below {MOST_HIDING}, found {largest[0]}")
    bits = np.zeros(256, np.int32)
    bits[: len(hidden)] = [sum(1 << label for label in one) for one in hidden]
    return labels + (bits[labels] << LABEL_BITS)


def undeniable(prediction: np.ndarray, reference: np.ndarray, hidden: Hidden) -> np.ndarray:
    """The predicted classes, as far as the reference can tell: where the predicted class may hide under the reference's
    label, that label. Arrays of one shape, uint8; the prediction itself where nothing hides.

    >>> from pneumoseg.data_io.volumes.labels import LUNG_LABELS
    >>> hidden = hidden_classes(LUNG_LABELS, ["lung_left", "lung_right"])
    >>> undeniable(np.uint8([3, 3, 3]), np.uint8([1, 2, 0]), hidden).tolist()  # infection outside the lungs is wrong
    [1, 2, 3]
    """
    pairs = [(label, inner) for label, inners in enumerate(hidden) for inner in inners]
    if not pairs:
        return prediction
    result = prediction.copy()
    for label, inner in pairs:
        result[(reference == label) & (prediction == inner)] = label
    return result


def classes_denied(counts: Sequence[int], table: LabelTable, labelled: Collection[str]) -> dict[str, int]:
    """Voxels of the classes that a mask holds although they are not among the `labelled`. `counts`: voxels by class."""
    if not labelled:
        return {}
    return {
        name: int(count)
        for name, count in zip(table.names[1:], counts[1:], strict=True)
        if count and name not in labelled
    }
