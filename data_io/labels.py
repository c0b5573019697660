"""The classes of a segmentation: their numbers, names, colours and left/right partners."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from data_io.errors import InputError


@dataclass(frozen=True)
class LabelTable:
    """Names and colours of the classes 0, 1, 2, ...; class 0 is the background.

    `colours`: one RGB triple of 0..255 per class. `mirror_pairs`: classes that change places when a patient is
    mirrored left-right, such as the two lungs.
    """

    names: tuple[str, ...]
    colours: tuple[tuple[int, int, int], ...]
    mirror_pairs: tuple[tuple[int, int], ...] = ()

    def __post_init__(self):
        if len(self.names) < 2 or len(set(self.names)) != len(self.names):
            raise InputError(f"labels: at least two different class names are needed, found {list(self.names)}")
        if unfit := [name for name in self.names if not name.strip() or set(name) & set("/\\")]:
            raise InputError(f"labels: class names also name files and hold no slash, found {unfit}")
        if len(self.colours) != len(self.names):
            raise InputError(f"labels: one colour per class, found {len(self.colours)} for {len(self.names)} names")
        for colour in self.colours:
            if len(colour) != 3 or not all(0 <= value <= 255 for value in colour):
                raise InputError(f"labels: a colour is three numbers in 0..255, found {list(colour)}")
        for pair in self.mirror_pairs:
            if len(pair) != 2 or len(set(pair)) != 2 or not all(0 <= label < len(self.names) for label in pair):
                raise InputError(
                    f"labels: a mirror pair is two different classes below {len(self.names)}, found {list(pair)}"
                )

        paired = [label for pair in self.mirror_pairs for label in pair]
        if len(set(paired)) != len(paired):
            raise InputError(f"labels: a class may be in one mirror pair, found {[list(p) for p in self.mirror_pairs]}")

    def __len__(self) -> int:
        return len(self.names)

    def mirrored(self) -> tuple[int, ...]:
        """For each class, the class it becomes in a left-right mirrored patient."""
        swapped = list(range(len(self)))
        for one, other in self.mirror_pairs:
            swapped[one], swapped[other] = other, one
        return tuple(swapped)


def class_numbers(array: np.ndarray, values: Sequence[int], rule: str, remedy: str) -> np.ndarray:
    """A mask (x, y, z) of any type as uint8, of the same shape: class k where its value is `values[k]`.

    Raises InputError for a value that no class has, found between `rule` and `remedy`, the start and the end of the
    sentence.
    """
    planes = range(array.shape[2])  # one at a time: places of the whole volume would be int64
    found = np.unique(np.concatenate([np.unique(array[:, :, z]) for z in planes]))
    unknown = np.setdiff1d(found, values)
    if unknown.size:
        raise InputError(f"{rule}, found {', '.join(f'{value:g}' for value in unknown[:5])}; {remedy}")
    order = np.argsort(values)
    classes = order[np.searchsorted(np.asarray(values)[order], found)].astype(np.uint8)
    if np.array_equal(classes, found):  # as in masks of this program: nothing to look up, twice as fast
        return array.astype(np.uint8)
    numbers = np.empty_like(array, dtype=np.uint8)
    for z in planes:
        numbers[:, :, z] = classes[np.searchsorted(found, array[:, :, z])]
    return numbers


LUNG_LABELS = LabelTable(
    names=("background", "lung_left", "lung_right", "infection"),
    colours=((0, 0, 0), (64, 132, 214), (120, 196, 240), (214, 39, 40)),
    mirror_pairs=((1, 2),),
)
"""The classes of the COVID-19-CT-Seg dataset (Ma et al. 2020), in its numbering."""
