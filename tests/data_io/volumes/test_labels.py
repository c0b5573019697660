"""The table of classes, and masks in its numbering."""

import numpy as np
import pytest

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.volumes.labels import LUNG_LABELS, LabelTable, class_numbers

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
    numbers = class_numbers(array, (0, 2, 1, 7), "rule", remedy="remedy")
    assert numbers.dtype == np.uint8
    assert numbers.tolist() == [[[0, 1], [2, 3]]]


def test_values_that_no_class_has_are_named():
    array = np.array([[[0, -1], [1.5, 9]]])
    with pytest.raises(InputError, match=r"^mask: labels must be 0 or 1, found -1, 1\.5, 9; relabel$"):
        class_numbers(array, range(2), "mask: labels must be 0 or 1", remedy="relabel")


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_values_near_class_numbers_are_these(dtype):
    array = np.array([[[0, -0.0, 1e-4], [0.9995, 2.0005, 2.9999998]]], dtype)
    numbers = class_numbers(array, range(4), "rule", remedy="remedy")
    assert numbers.dtype == np.uint8
    assert numbers.tolist() == [[[0, 0, 0], [1, 2, 3]]]


def test_a_scale_near_one_is_within_the_rounding_up_to_the_last_class():
    stored = np.arange(256, dtype=np.int16).reshape(4, 8, 8)
    scaled = stored.astype(np.float32) * np.float32(1.0000001)
    np.testing.assert_array_equal(class_numbers(scaled, range(256), "rule", remedy="remedy"), stored)


@pytest.mark.parametrize(
    ("values", "dtype", "named"),
    [
        ([0, 3.002], np.float32, "3.002"),
        ([0, 2.998], np.float32, "2.998"),
        ([0, 0.5], np.float64, "0.5"),
        ([0, 4], np.float32, "4"),
        ([0, 259], np.int16, "259"),
        ([0, 256], np.uint16, "256"),
        ([0, -1], np.int8, "-1"),
        ([0, 2**32 + 3], np.int64, "4294967299"),
        ([0, 2**64 - 1], np.uint64, "18446744073709551615"),
        ([0, 1e30], np.float32, "1e+30"),
        ([0, np.nan], np.float32, "nan"),
        ([0, np.inf, -np.inf], np.float32, "-inf, inf"),
        (range(-3, 100), np.int16, "-3, -2, -1, 4, 5"),
    ],
)
def test_other_values_are_named_with_all_their_digits(values, dtype, named):
    with pytest.raises(InputError) as refusal:
        class_numbers(
            np.array(values, dtype).reshape(1, -1, 1), range(4), "mask: labels must be 0..3", remedy="relabel"
        )
    assert str(refusal.value) == f"mask: labels must be 0..3, found {named}; relabel"


def test_a_class_without_a_number_is_nowhere():
    array = np.array([[[0, 1], [3, 0]]])
    assert class_numbers(array, (0, None, 1, 3), "rule", remedy="remedy").tolist() == [[[0, 2], [3, 0]]]
    with pytest.raises(InputError, match="found 2"):
        class_numbers(array + (array == 3) * -1, (0, None, 1, 3), "rule", remedy="remedy")


def test_more_classes_than_a_byte_can_number_are_refused():
    with pytest.raises(InputError, match="at most 256 classes, found 257"):
        class_numbers(np.full((1, 1, 1), 256), range(257), "rule", remedy="remedy")


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32])
@pytest.mark.parametrize(
    ("merge", "expected"),
    [
        ([(2, 1), (3, 1)], [0, 1, 1, 1]),
        ([(1, 0), (3, 2)], [0, 0, 2, 2]),
        ([(0, 1), (1, 0), (3, 0)], [1, 0, 2, 0]),
        ([(3, 0), (255, 1)], [0, 1, 2, 0]),
    ],
)
def test_values_are_merged(dtype, merge, expected):
    array = np.arange(4, dtype=dtype).reshape(2, 2, 1)
    numbers = class_numbers(array, range(3), "rule", remedy="remedy", merge=merge)
    assert numbers.dtype == np.uint8
    assert numbers.ravel().tolist() == expected


def test_what_is_not_merged_is_checked():
    array = np.arange(4).reshape(2, 2, 1)
    with pytest.raises(InputError, match=r"^rule, found 3; remedy$"):
        class_numbers(array, range(2), "rule", remedy="remedy", merge=[(2, 1)])
    for wrong in (2, -1):
        with pytest.raises(InputError, match=rf"merge gives classes of 0\.\.1, found \[{wrong}\]"):
            class_numbers(array, range(2), "rule", remedy="remedy", merge=[(2, wrong)])
