"""What a voxel may be where a mask labels some of the classes only."""

import numpy as np
import pytest

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.volumes.labels import LUNG_LABELS, LabelTable
from pneumoseg.data_io.volumes.partial_labels import classes_denied, hidden_classes, undeniable


def test_nothing_hides_where_all_classes_are_labelled():
    assert hidden_classes(LUNG_LABELS, []) == ((), (), (), ())
    assert hidden_classes(LUNG_LABELS, LUNG_LABELS.names) == ((), (), (), ())


def test_a_class_hides_under_the_classes_that_it_lies_in():
    assert hidden_classes(LUNG_LABELS, ["lung_right", "lung_left"]) == ((), (3,), (3,), ())


def test_a_class_that_lies_in_no_other_hides_under_the_background():
    table = LabelTable(("background", "lung", "heart"), ((0, 0, 0), (1, 1, 1), (2, 2, 2)))
    assert hidden_classes(table, ["background", "heart"]) == ((1,), (), ())


def test_bad_classes():
    with pytest.raises(InputError, match=r"classes are background, .*, found covid"):
        hidden_classes(LUNG_LABELS, ["covid"])
    with pytest.raises(InputError, match="at least one class beside the background"):
        hidden_classes(LUNG_LABELS, ["background"])
    with pytest.raises(InputError, match="lung_left and lung_right change places"):
        hidden_classes(LUNG_LABELS, ["lung_left", "infection"])


def test_predictions_that_the_reference_cannot_deny_count_as_what_it_says():
    hidden = hidden_classes(LUNG_LABELS, ["infection"])
    reference, prediction = np.uint8([0, 0, 0, 3, 3]), np.uint8([1, 2, 3, 1, 3])
    assert undeniable(prediction, reference, hidden).tolist() == [0, 0, 3, 1, 3]
    assert undeniable(prediction, reference, hidden_classes(LUNG_LABELS, ())) is prediction


def test_classes_that_a_mask_holds_although_they_are_not_labelled():
    assert classes_denied([9, 1, 2, 3], LUNG_LABELS, ["lung_left", "lung_right"]) == {"infection": 3}
    assert classes_denied([9, 1, 2, 3], LUNG_LABELS, []) == {}


def test_a_class_within_another_is_one_of_the_table():
    with pytest.raises(InputError, match=r"within has pairs of two different classes of 1..1, found \[1, 2\]"):
        LabelTable(("background", "lung"), ((0, 0, 0), (1, 1, 1)), within=((1, 2),))
