"""A table of patients against the headers: each kind of finding, by row and value."""

import pytest

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.dicom.studies import find_studies
from pneumoseg.data_io.formats.dicom.table_check import Finding, check_reference_tag, check_table, findings_table
from tests.data_io.formats.dicom.dicom_files import write_series

HEADER = "patient,path,covid,score"


@pytest.fixture
def tree(tmp_path):
    """Three studies of two patients: P1 in a/1 and a/2, P2 in b."""
    folder = tmp_path / "tree"
    for number, (name, patient) in enumerate({"a/1": "P1", "a/2": "P1", "b": "P2"}.items(), start=1):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        ids = {"PatientID": patient, "StudyInstanceUID": f"1.2.{number}", "AccessionNumber": f"0{number}"}
        write_series(folder / name, uid=f"1.2.3.{number}", **ids)
    return folder


def findings(tree, *rows, header=HEADER, tag="PatientID", to_segment=(1, 2, 3)):
    table = tree.parent / "table.csv"
    table.write_text("\n".join([header, *rows]) + "\n")
    found = check_table(table, find_studies(tree, tag), to_segment, tag)
    return [(one.row, one.column, one.value, one.problem) for one in found]


RIGHT = ("P1,a/1,yes,35.5", "P1,./a/2/,no,", "P2,b,NO,0")


def test_a_right_table(tree):
    assert findings(tree, *RIGHT) == []
    assert findings(tree, *RIGHT, header=" Patient , PATH,Covid,score") == []
    assert findings(tree, "P1,a\\1,1,100", "P1,a/2,0,", "P2,b,true,0.0") == []


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (",b,yes,5", [("patient", "", "missing")]),
        ("P2,b,,5", [("covid", "", "missing")]),
        ("P2,b,perhaps,5", [("covid", "perhaps", "invalid")]),
        ("P2,b,yes,", [("score", "", "missing")]),
        ("P2,b,yes,-0.1", [("score", "-0.1", "invalid")]),
        ("P2,b,yes,100.5", [("score", "100.5", "invalid")]),
        ("P2,b,yes,nan", [("score", "nan", "invalid")]),
        ('P2,b,yes,"12,5"', [("score", "12,5", "invalid")]),
        ("P3,b,yes,5", [("patient", "P3", "contradicting")]),
    ],
)
def test_values(tree, row, expected):
    assert findings(tree, *RIGHT[:2], row) == [(4, *one) for one in expected]


@pytest.mark.parametrize(
    ("path", "problem"),
    [("", "missing"), ("c", "missing"), ("/b", "missing"), ("../tree/b", "missing"), ("a", "contradicting")],
)
def test_paths(tree, path, problem):
    found = findings(tree, *RIGHT[:2], f"P2,{path},yes,5")
    assert found == [(4, "path", path, problem), (0, "path", "b", "unknown")]


def test_a_study_without_a_ct_to_segment(tree):
    assert findings(tree, *RIGHT, to_segment=(1, 2)) == [(4, "path", "b", "missing")]


def test_doubled_rows(tree):
    assert findings(tree, *RIGHT, "P2,b/,yes,5", "P1,zz,no,", "P1,zz,no,") == [
        (5, "path", "b/", "doubled"),
        (6, "path", "zz", "missing"),
        (7, "path", "zz", "missing"),
        (7, "path", "zz", "doubled"),
    ]


def test_a_column_of_references_and_its_tag(tree):
    header = f"{HEADER},reference"
    rows = ("7,a/1,yes,5,01", "7,a/2,yes,5,02", "8,b,no,,03")
    assert findings(tree, *rows, header=header, tag="AccessionNumber") == []
    assert findings(tree, *rows[:2], "8,b,no,,3", header=header, tag="AccessionNumber") == [
        (4, "reference", "3", "contradicting")
    ]
    assert findings(tree, *rows[:2], "8,b,no,,", header=header, tag="AccessionNumber") == [
        (4, "reference", "", "missing")
    ]
    assert findings(tree, *rows, header=header, tag="StudyID") == [
        (2, "reference", "01", "unknown"),
        (3, "reference", "02", "unknown"),
        (4, "reference", "03", "unknown"),
    ]
    assert findings(tree, *rows, header=header, tag="PatientName")[0] == (2, "reference", "01", "contradicting")


def test_patients_that_the_headers_join_or_part(tree):
    header = f"{HEADER},reference"
    rows = ("7,a/1,yes,5,01", "8,a/2,yes,5,02", "7,b,no,,03")
    assert findings(tree, *rows, header=header, tag="AccessionNumber") == [
        (3, "patient", "8", "contradicting"),
        (4, "patient", "7", "contradicting"),
    ]


def test_refusals(tree):
    with pytest.raises(InputError, match=r"table\.csv: a table has .* found patient, path; add covid, score"):
        findings(tree, "1,a", header="patient,path")
    with pytest.raises(InputError, match=r"table\.csv: .*row 2 has 3 cells"):
        findings(tree, "1,a,yes")
    with pytest.raises(InputError, match="found 'PatientNo'; did you mean Patient"):
        check_reference_tag("PatientNo")
    with pytest.raises(InputError, match=r"found ''$"):
        check_reference_tag("")
    assert check_reference_tag("AccessionNumber") == "AccessionNumber"


def test_findings_as_a_table():
    table = findings_table([Finding(2, "score", "101", "invalid", "must be a number from 0 to 100")])
    assert table.to_dict("records") == [
        {"row": 2, "column": "score", "value": "101", "problem": "invalid", "message": "must be a number from 0 to 100"}
    ]
    assert list(findings_table([]).columns) == ["row", "column", "value", "problem", "message"]
