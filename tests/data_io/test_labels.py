"""The table of classes, and masks in its numbering."""

import numpy as np
import pytest

from data_io.errors import InputError
from data_io.labels import LUNG_LABELS, LabelTable, class_numbers

BLACK, RED = (0, 0, 0), (255, 0, 0)


def test_lungs_change_places_in_the_mirror():
    assert LUNG_LABELS.mirrored() == (0, 2, 1, 3)
    assert len(LUNG_LABELS) == 4


def test_without_pairs_nothing_changes_places():
    assert LabelTable(("background", "infection"), (BLACK, RED)).mirrored() == (0, 1)


@pytest.mark.parametrize("pairs", [((1, 2),), ((0, 1), (2, 3)), ((3, 0),)])
def test_mirroring_twice_is_nothing(pairs):
    mirrored = LabelTable(("a", "b", "c", "d"), (BLACK,) * 4, pairs).mirrored()
    assert [mirrored[label] for label in mirrored] == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("names", "colours", "pairs", "message"),
    [
        (("background",), (BLACK,), (), "at least two"),
        (("lung", "lung"), (BLACK, RED), (), "different class names"),
        (("a", "b"), (BLACK,), (), "one colour per class"),
        (("a", "b"), (BLACK, (256, 0, 0)), (), "0..255"),
        (("a", "b"), (BLACK, (1, 2)), (), "three numbers"),
        (("a", "b"), (BLACK, RED), ((1, 1),), "mirror pair"),
        (("a", "b"), (BLACK, RED), ((1, 2),), "mirror pair"),
        (("a", "b"), (BLACK, RED), ((0, 1, 0),), "mirror pair"),
        (("a", "b", "c"), (BLACK, RED, RED), ((0, 1), (1, 2)), "one mirror pair"),
    ],
)
def test_refused(names, colours, pairs, message):
    with pytest.raises(InputError, match=message):
        LabelTable(names, colours, pairs)


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32])
def test_values_become_class_numbers(dtype):
    array = np.array([[[0, 2], [1, 7]]], dtype)
    numbers = class_numbers(array, (0, 2, 1, 7), "rule", "remedy")
    assert numbers.dtype == np.uint8
    assert numbers.tolist() == [[[0, 1], [2, 3]]]


def test_values_that_no_class_has_are_named():
    array = np.array([[[0, -1], [1.5, 9]]])
    with pytest.raises(InputError, match=r"^mask: labels must be 0 or 1, found -1, 1\.5, 9; relabel$"):
        class_numbers(array, range(2), "mask: labels must be 0 or 1", "relabel")
