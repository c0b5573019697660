"""The classes of a segmentation: their numbers, names, colours and left/right partners."""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pneumoseg.data_io.errors import InputError

MOST_CLASSES = 256
ROUNDING = 1e-3
"""How far from a class number a value in a file may be: that of a mask stored with a scale, or as floats."""
VALUES_NAMED = 5


@dataclass(frozen=True)
class LabelTable:
    """Names and colours of the classes 0, 1, 2, ...; class 0 is the background.

    `colours`: one RGB triple of 0..255 per class. `mirror_pairs`: classes that change places when a patient is
    mirrored left-right, such as the two lungs. `within`: pairs of a class and one that it lies in, such as infection in
    a lung: in a mask that labels the outer class alone, the inner one is part of it.
    """

    names: tuple[str, ...]
    colours: tuple[tuple[int, int, int], ...]
    mirror_pairs: tuple[tuple[int, int], ...] = ()
    within: tuple[tuple[int, int], ...] = ()

    def __post_init__(self):
        if len(self.names) < 2 or len(set(self.names)) != len(self.names):
            raise InputError(f"labels: at least two different class names are needed, found {list(self.names)}")
        if unfit := [name for name in self.names if not _names_a_file(name)]:
            raise InputError(
                f"labels: class names are also names of files: no slash and no control character, found {unfit}"
            )
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
        for pair in self.within:
            if len(pair) != 2 or len(set(pair)) != 2 or not all(0 < label < len(self.names) for label in pair):
                raise InputError(
                    f"labels: within has pairs of two different classes of 1..{len(self.names) - 1}, found {list(pair)}"
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


def _names_a_file(name: str) -> bool:
    return bool(name.strip()) and not set(name) & set("/\\") and all(unicodedata.category(one) != "Cc" for one in name)


def class_numbers(
    array: np.ndarray,
    values: Sequence[int | None],
    rule: str,
    *,
    remedy: str,
    merge: Sequence[tuple[int, int]] = (),
) -> np.ndarray:
    """A mask (x, y, z) of any type as uint8, of the same shape: class k where its value is `values[k]`, within
    ROUNDING; None for a class that the mask does not have. `merge`: further values, each with its class, which count
    more than `values`.

    Raises InputError for a value that no class has, found between `rule` and `remedy`, the start and the end of the
    sentence, for more classes than uint8 can number, and where `merge` names a class that there is not.
    """
    if len(values) > MOST_CLASSES:
        raise InputError(f"a mask has at most {MOST_CLASSES} classes, found {len(values)}")
    if wrong := sorted({number for _, number in merge if not 0 <= number < len(values)}):
        raise InputError(f"merge gives classes of 0..{len(values) - 1}, found {wrong}; correct it")
    class_of = {value: number for number, value in enumerate(values) if value is not None} | dict(merge)
    allowed = np.array(sorted(class_of))
    present_values = np.empty(0, array.dtype)
    unknown: list = []
    for z in range(array.shape[2]):  # one plane at a time: places of the whole volume would be int64
        present = np.unique(array[:, :, z])
        fits = np.isin(_whole(present), allowed) & _is_whole(present)
        unknown += [value for value in present[~fits] if value not in unknown]
        if len(unknown) >= VALUES_NAMED:
            break
        present_values = np.union1d(present_values, _whole(present[fits]))
    if unknown:
        texts = [str(value).removesuffix(".0") for value in sorted(unknown)[:VALUES_NAMED]]
        raise InputError(f"{rule}, found {', '.join(texts)}; {remedy}", options=("labels", "classes"))
    classes = np.array([class_of[int(value)] for value in present_values], np.uint8)
    same = np.array_equal(classes, present_values)  # as in masks of this program: nothing to look up, twice as fast
    if same and array.dtype.kind != "f":
        return array.astype(np.uint8)
    numbers = np.empty_like(array, dtype=np.uint8)
    for z in range(array.shape[2]):
        plane = _whole(array[:, :, z])
        numbers[:, :, z] = plane if same else classes[np.searchsorted(present_values, plane)]
    return numbers


def _whole(values: np.ndarray) -> np.ndarray:
    return np.rint(values) if values.dtype.kind == "f" else values


def _is_whole(values: np.ndarray) -> np.ndarray:
    if values.dtype.kind != "f":
        return np.ones(values.shape, bool)
    with np.errstate(invalid="ignore"):  # infinity minus itself: not a number, and so not within
        return np.abs(values - np.rint(values)) <= ROUNDING


LUNG_LABELS = LabelTable(
    names=("background", "lung_left", "lung_right", "infection"),
    colours=((0, 0, 0), (64, 132, 214), (120, 196, 240), (214, 39, 40)),
    mirror_pairs=((1, 2),),
    within=((3, 1), (3, 2)),
)
"""The classes of the COVID-19-CT-Seg dataset (Ma et al. 2020), in its numbering."""

CHANGE_LABELS = LabelTable(
    names=("background", "unchanged", "new", "resolved"),
    colours=((0, 0, 0), (230, 159, 0), (213, 62, 79), (0, 158, 115)),
)
"""The classes of a map of change between two CTs of one patient: what became of infection."""
