"""Codes of classes."""

from pneumoseg.data_io.formats.segment_codes import LEFT, LUNG, RIGHT, TISSUE, code_of


def test_left_and_right_lung_have_one_code_and_two_sides():
    left, right = code_of("lung_left"), code_of("lung_right")
    assert (left.type, right.type) == (LUNG, LUNG)
    assert (left.modifier, right.modifier) == (LEFT, RIGHT)


def test_infection_is_coded_as_infiltration_by_covid_19():
    code = code_of("infection")
    assert (code.category.value, code.type.value, code.modifier.value) == ("49755003", "47351003", "840539006")
    assert code.colour == (255, 90, 0)


def test_unknown_classes_are_tissue():
    assert code_of("nodule").type == TISSUE
    assert code_of("nodule").modifier is None
