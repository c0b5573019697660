"""The warnings that a report lists."""

from pneumoseg.evaluation.report.warnings import grouped


def test_what_is_warned_of_several_cases_is_said_once():
    said = ["a: no HU", "a strange split", "b: thick: 9 mm", "c: no HU", "a: no HU"]
    assert grouped(said) == ["a, c: no HU", "a strange split", "b: thick: 9 mm"]
