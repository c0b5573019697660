"""Patients and sources, by names and by a file."""

import pytest

from pneumoseg.data_io.datasets.patients import CaseRow, patient_of, read_case_table, source_of
from pneumoseg.data_io.errors import InputError


@pytest.mark.parametrize(
    ("name", "patient"),
    [
        ("radiopaedia_10_85902_1", "radiopaedia_10"),
        ("radiopaedia_10_85902_3", "radiopaedia_10"),
        ("radiopaedia_4_85506_1", "radiopaedia_4"),
        ("radiopaedia_10_85902", "radiopaedia_10_85902"),
        ("coronacases_001", "coronacases_001"),
        ("x_radiopaedia_10_85902_1", "x_radiopaedia_10_85902_1"),
    ],
)
def test_patient_by_name(name, patient):
    assert patient_of(name) == patient


@pytest.mark.parametrize(("name", "source"), [("coronacases_001", "coronacases"), ("ct12", "ct"), ("007", "")])
def test_source_by_name(name, source):
    assert source_of(name) == source


def test_without_a_file_names_tell_the_patient(tmp_path):
    expected = {"a": CaseRow("a"), "radiopaedia_1_2_3": CaseRow("radiopaedia_1")}
    assert read_case_table(tmp_path, {"a", "radiopaedia_1_2_3"}) == expected


def test_the_file_says_patients_and_labelled_classes(tmp_path):
    text = "case,patient,labels_present,remark\na,P1,lung_left lung_right,x\nb,P1,,\nc,P2\n"
    (tmp_path / "patients.csv").write_text(text)
    expected = {"a": CaseRow("P1", ("lung_left", "lung_right")), "b": CaseRow("P1"), "c": CaseRow("P2")}
    assert read_case_table(tmp_path, {"a", "b", "c"}) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("case,patient\na,P1\nb,P1\nc,P2\n", "no such case .*: c;"),
        ("case,patient\na,P1\n", "no patient for b;"),
        ("case,patient\na,P1\nb,\n", "line 3 needs a case and a patient"),
        ("case,patient\na,P1\na,P2\nb,P2\n", "case a is named twice"),
        ("name;patient\na;P1\n", "the columns must be case,patient, found name;patient"),
        ("", "the columns must be case,patient"),
        ("case,patient,labels\na,P1,x\nb,P1,x\n", "the column of the labelled classes is labels_present, found labels"),
        ("case,patient,labels_present\na,P1,x\nb,P1,y x y\n", "line 3 names a class twice: y x y"),
    ],
)
def test_wrong_patients_csv_is_refused(tmp_path, text, message):
    (tmp_path / "patients.csv").write_text(text)
    with pytest.raises(InputError, match=rf"patients\.csv: {message}"):
        read_case_table(tmp_path, {"a", "b"})


def test_patients_csv_of_another_encoding_is_refused(tmp_path):
    (tmp_path / "patients.csv").write_bytes("case,patient\na,Zürich".encode("latin-1"))
    with pytest.raises(InputError, match="not readable as a table"):
        read_case_table(tmp_path, {"a", "b"})
