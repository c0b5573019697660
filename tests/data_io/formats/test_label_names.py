"""Which number each class has in a mask whose labels have names."""

import pytest

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.label_names import unlike, values_by_name

NAMES = ("background", "lung_left", "lung_right", "infection")
VALUES = (0, 1, 2, 3)


def declared(**numbers):
    return tuple((name, (number,)) for name, number in numbers.items())


def spelled(left, right, infection, background="background"):
    return ((background, (0,)), (right, (1,)), (left, (2,)), (infection, (3,)))


def test_without_names_the_numbers_stay():
    assert values_by_name((), NAMES, VALUES) == VALUES
    assert values_by_name((), NAMES, (0, 7, 8, 9)) == (0, 7, 8, 9)


@pytest.mark.parametrize(
    "names",
    [
        spelled("lung_left", "lung_right", "infection"),
        spelled("Lung_L", "Lung_R", "COVID-19"),
        spelled("left lung", "right lung", "covid"),
        spelled("Left-Lung", "RIGHT LUNG", "Lesion"),
        spelled("LungLeft", "lungRight", "covid19_lesion", "Clear Label"),
        spelled("LEFT_LUNG", "lung (right)", "infected", "BG"),
        spelled("L lung", "Rt. Lungs", "lesions", "???"),
    ],
)
def test_exchanged_sides_are_found_however_they_are_spelled(names):
    assert values_by_name(names, NAMES, VALUES) == (0, 2, 1, 3)
    assert unlike(names, NAMES, (0, 2, 1, 3)) == []


def test_names_at_their_numbers_change_nothing_and_may_be_few():
    assert values_by_name(declared(lung_left=1, lung_right=2), NAMES, VALUES) == VALUES
    assert values_by_name(declared(Segment_1=1, Segment_2=2, label3=3), NAMES, VALUES) == VALUES


def test_of_numbers_that_moved_only_named_ones_have_a_class():
    assert values_by_name(declared(lung_right=1), NAMES, VALUES) == (0, None, 1, None)
    assert values_by_name(declared(infection=1, lung_left=5), NAMES, VALUES) == (0, 5, None, 1)
    assert values_by_name(declared(infection=2, Segment_1=1), NAMES, VALUES) == (0, None, None, 2)
    assert values_by_name(declared(lung_left=0, background=9), NAMES, VALUES) == (9, 0, None, None)


def test_the_users_numbers_are_compared_as_well():
    assert values_by_name(declared(lung_left=1, lung_right=2), NAMES, (0, 2, 1, 3)) == (0, 1, 2, None)


@pytest.mark.parametrize("name", ["heart", "Right lung lesion", "lung_upper_lobe_left", "lungs", "left", "größe"])
def test_other_names_are_no_class_and_reported(name):
    names = ((name, (1,)),)
    assert values_by_name(names, NAMES, VALUES) == VALUES
    assert unlike(names, NAMES, VALUES) == [(1, name, "lung_left")]


@pytest.mark.parametrize("name", ["Segment_1", "label 1", "1", "???", "Class1", "ROI-1"])
def test_names_without_a_meaning_are_like_any(name):
    assert unlike(((name, (1,)),), NAMES, VALUES) == []


def test_invented_class_names_are_compared_with_nothing():
    assert values_by_name(declared(class_2=1), ("background", "class_1", "class_2"), (0, 1, 2)) == (0, 1, 2)
    assert unlike(declared(liver=1), ("background", "class_1"), (0, 1)) == []


def test_a_class_of_ones_own_is_found_by_its_own_name_first():
    names = ("background", "lesion", "covid")
    assert values_by_name(declared(covid=1, lesion=2), names, (0, 1, 2)) == (0, 2, 1)
    assert values_by_name(declared(infection=2), names, (0, 1, 2)) == (0, 1, 2)  # either of the two


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ((("lung_left", (1,)), ("Left lung", (4,))), "labels 1 and 4 are both called lung_left"),
        ((("lung_left", (1,)), ("lung_right", (1,))), "label 1 is called lung_left and lung_right"),
        ((("lungs", (1, 2)), ("infection", (3,))), r"lungs is a region of the labels \[1, 2\]"),
        ((("ignore", (3,)),), "label 3 is called ignore, the number of infection"),
    ],
)
def test_contradictions_are_refused_by_name(names, message):
    with pytest.raises(InputError, match=message):
        values_by_name(names, NAMES, VALUES)
