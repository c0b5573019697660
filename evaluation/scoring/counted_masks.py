"""Two masks of a case as far as they can be compared: voxels that count, and classes that the reference labels."""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from pneumoseg.data_io.volumes.partial_labels import IGNORED, Hidden, undeniable
from pneumoseg.data_io.volumes.volume import Volume, on_grid_of


@dataclass(frozen=True, eq=False)
class CountedMasks:
    """`reference`, `prediction`: uint8 class numbers on the reference's grid, background where a voxel does not count.
    `truth`: the reference's (x, y, z), IGNORED there."""

    reference: Volume
    prediction: Volume
    truth: np.ndarray

    @property
    def ignored(self) -> int:
        """The number of voxels that do not count."""
        return int(np.count_nonzero(self.truth == IGNORED))


def counted_masks(
    reference: Volume, prediction: Volume, hidden: Hidden, *, valid: Volume | None = None
) -> CountedMasks:
    """What can be compared of two masks of class numbers, uint8. Where the reference cannot deny what is predicted, the
    prediction becomes what the reference is.

    `hidden`: of the reference, as of `partial_labels.hidden_classes`; `valid`: uint8, 0 where a voxel does not count,
    None where all do. Raises InputError where the volumes lie on different grids.
    """
    prediction = on_grid_of(reference, prediction, "reference and prediction")
    labels = undeniable(prediction.array, reference.array, hidden)
    if valid is None:
        return CountedMasks(reference, prediction.with_array(labels), reference.array)
    counts = on_grid_of(reference, valid, "reference and valid").array != 0
    return CountedMasks(
        reference.with_array(np.where(counts, reference.array, np.uint8(0))),
        prediction.with_array(np.where(counts, labels, np.uint8(0))),
        np.where(counts, reference.array, np.uint8(IGNORED)),
    )


def is_labelled(members: Collection[int], hidden: Hidden) -> bool:
    """Whether a reference tells the classes `members`, as one mask, from the others: none may hide under another class.

    >>> hidden = ((), (3,), (3,), ())  # infection may hide under the lungs
    >>> is_labelled([1], hidden), is_labelled([3], hidden), is_labelled([1, 2, 3], hidden)
    (True, False, True)
    """
    return not any(set(members) & set(inners) for label, inners in enumerate(hidden) if label not in members)


def telling_labels(members: Collection[int], hidden: Hidden) -> np.ndarray:
    """Which labels of a reference tell whether a voxel is of the classes `members`: bool (256,); IGNORED does not.

    >>> telling_labels([1], ((), (2,), ()))[:3].tolist()  # class 2 may hide under label 1
    [True, False, True]
    """
    telling = np.ones(IGNORED + 1, bool)
    telling[IGNORED] = False
    for label, inners in enumerate(hidden):
        telling[label] = len({one in members for one in (label, *inners)}) == 1
    return telling
