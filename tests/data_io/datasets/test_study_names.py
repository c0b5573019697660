"""Names of studies and patients: what is taken, changed and refused."""

import pytest

from pneumoseg.data_io.datasets.study_names import as_study_name, patient_problem, study_problem


@pytest.mark.parametrize("name", ["P17", "Müller, A.", "\u062d\u0627 3", "=1+1", "a/b", "n" * 200, "\udcff"])
def test_names_that_a_patient_may_have(name):
    assert patient_problem(name) == ""


@pytest.mark.parametrize("name", ["a\tb", "a\x00", "a\u2028b", "\u2066a", "a\u200d", "\ufeffa", "\x85"])
def test_what_is_not_seen_is_named(name):
    (hidden,) = {letter for letter in name if letter not in "ab"}
    assert patient_problem(name) == f"has the invisible character U+{ord(hidden):04X}"


@pytest.mark.parametrize("name", ["", ".a", "a/b", "a\\b", "n" * 201, "a\n"])
def test_what_is_no_name_of_a_file_becomes_one(name):
    assert study_problem(name)
    if len(name) < 200:
        assert study_problem(as_study_name(name)) == ""


def test_names_are_changed_as_little_as_possible():
    assert as_study_name("Fall 7 (b).v2") == "Fall 7 (b).v2"
    assert as_study_name("..a\nb/c") == "a_b_c"
    assert as_study_name("...") == "study"
