"""Tables of studies: what their rows mean, and rows that are refused."""

import numpy as np
import pytest

from pneumoseg.data_io.datasets.cohort_table import read_cohort_table
from pneumoseg.data_io.errors import InputError
from tests.data_io.formats.dicom.dicom_files import write_series


@pytest.fixture
def cohort(tmp_path, write_nifti):
    """A folder with the CTs of four studies in three forms, and a function that writes its table and reads it."""
    for name in ("one.nii.gz", "two.nii.gz", "three/imaging.nii.gz", "three/segmentation.nii.gz"):
        write_nifti(tmp_path / "cts" / name, np.zeros((3, 3, 3), np.int16))
    write_series(tmp_path / "cts" / "four")

    def read(text):
        (tmp_path / "cohort.csv").write_text(text, encoding="utf-8")
        return read_cohort_table(tmp_path / "cohort.csv")

    return read


ALL = "a,cts/one.nii.gz,yes,43.03\nb,cts/two.nii.gz,no,0\nc,cts/three/imaging.nii.gz,1,\nd,cts/four,FALSE,0\n"


def test_rows_of_files_and_folders(cohort, tmp_path, said):
    table = cohort("Patient, path,label,score,ward\n" + ALL.replace("\n", ",7\n"))
    assert [row.name for row in table] == ["one", "two", "three", "four"]
    assert [row.patient for row in table] == ["a", "b", "c", "d"]
    assert [row.diseased for row in table] == [True, False, True, False]
    assert [row.score for row in table] == [43.03, 0, None, 0]
    assert {row.further["ward"] for row in table} == {"7"}
    assert len(table) == 4
    assert table.rows[3].path == tmp_path / "cts" / "four"
    assert not said.messages


def test_one_of_label_and_score_is_enough(cohort):
    assert [row.score for row in cohort("patient,path,score\na,cts/one.nii.gz,5\n")] == [5]
    table = cohort("patient,path,covid,score\na,cts/one.nii.gz,yes,\nb,cts/two.nii.gz,,7\n")
    assert [(row.diseased, row.score) for row in table] == [(True, None), (None, 7)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("patient,path\na,cts/one.nii.gz\n", "columns are patient, path, label and score, .*; add label or score"),
        ("path,label\ncts/one.nii.gz,yes\n", "found path, label; add patient"),
        ("patient,path,label,covid\na,cts/one.nii.gz,1,1\n", "the label is in one column, found label and covid"),
        ("patient,path,label\n", "at least one study, found no row"),
        ("patient,path,label\n,cts/one.nii.gz,1\n", "row 2, column patient: the cell is empty"),
        ("patient,path,label\na,,1\n", "row 2, column path: the cell is empty"),
        ("patient,path,label\na,cts/one.nii.gz,1\nb,cts/none,1\n", "row 3, column path: no such file or folder"),
        ("patient,path,label\na,cohort.csv,1\n", "row 2, column path: a CT .* is needed"),
        ("patient,path,label\na,cts/one.nii.gz,maybe\n", "row 2, column label: must be yes or no .*, found maybe"),
        ("patient,path,score\na,cts/one.nii.gz,100.5\n", "row 2, column score: must be a number from 0 to 100"),
        ("patient,path,score\na,cts/one.nii.gz,nan\n", "column score: must be a number from 0 to 100, found nan"),
        ("patient,path,score\na,cts/one.nii.gz,-1\n", "column score: must be a number from 0 to 100, found -1"),
        ("patient,path,score\na,cts/one.nii.gz,1_0\n", "column score: must be a number from 0 to 100, found 1_0"),
        (f"patient,path,score\na,{'x' * 5000},1\n", r"row 2, column path: cannot be opened \(File name too long\)"),
        ("patient,path,score\na,cts/one.nii.gz,much\n", "column score: must be a number from 0 to 100, found much"),
        ("patient,path,label,score\na,cts/one.nii.gz,,\n", "row 2: a label or a score is needed, found neither"),
        (
            "patient,path,label\na,cts/one.nii.gz,1\nb,cts/../cts/one.nii.gz,1\n",
            "rows 2 and 3, column path: one study each, found the same CT",
        ),
        (
            "patient,path,label\na,cts/one.nii.gz,1\na,cts/two.nii.gz,0\n",
            "rows 2 and 3: patient a has one label, found yes and no",
        ),
        ("patient,path,label\na,cts/one.nii.gz\n", "row 2 has 2 cells, the header has 3"),
    ],
)
def test_rows_that_are_refused(cohort, text, message):
    with pytest.raises(InputError, match=message):
        cohort(text)


def test_a_patient_may_have_several_studies_of_one_label(cohort):
    table = cohort("patient,path,label,score\na,cts/one.nii.gz,1,20\na,cts/two.nii.gz,1,40\na,cts/four,,60\n")
    assert {row.patient for row in table} == {"a"}


def test_studies_that_no_row_names_are_listed(cohort, said):
    cohort("patient,path,label\na,cts/one.nii.gz,1\nb,cts/three,1\n")
    assert [message.partition(": ")[2] for message in said.messages] == [
        "no row names the CTs two.nii.gz, four; add rows, or leave them out"
    ]


def test_equal_names_are_told_apart_by_the_folders_above(tmp_path, write_nifti):
    places = ("p1/first/ct.nii.gz", "p2/first/ct.nii.gz", "p2/other.nii.gz")
    for place in places:
        write_nifti(tmp_path / place, np.zeros((3, 3, 3), np.int16))
    (tmp_path / "t.csv").write_text("patient,path,label\n" + "".join(f"{place},{place},1\n" for place in places))
    assert [row.name for row in read_cohort_table(tmp_path / "t.csv")] == ["p1_first_ct", "p2_first_ct", "other"]


@pytest.mark.parametrize(
    ("patient", "problem"),
    [
        ("p" * 10_000, "has 10,000 bytes, 200 are the most"),
        ('"P\n17"', r"has the invisible character U\+000A"),
        ("P\u200f17", r"has the invisible character U\+200F"),
        ("\u062d" * 101, "has 202 bytes, 200 are the most"),
    ],
)
def test_a_patient_is_named_by_a_short_line_of_visible_text(cohort, patient, problem):
    with pytest.raises(
        InputError, match=rf"cohort.csv, row 3, column patient: .*{problem}; use a pseudonym"
    ) as refused:
        cohort(f"patient,path,label\na,cts/one.nii.gz,yes\n{patient},cts/two.nii.gz,no\n")
    assert len(str(refused.value)) < 400


def test_names_of_studies_are_visible_short_and_unique(cohort, tmp_path):
    folder = tmp_path / "cts"
    (folder / "one.nii.gz").rename(folder / "o\u202ene.nii.gz")
    table = "patient,path,label\na,cts/o\u202ene.nii.gz,yes\nb,cts/two.nii.gz,no\n"
    assert [row.name for row in cohort(table)] == ["o_ne", "two"]
    (folder / "two.nii.gz").rename(folder / "o_ne.nii.gz")
    assert len({row.name for row in cohort(table.replace("two", "o_ne"))}) == 2
    (folder / "o_ne.nii.gz").rename(folder / f"{'n' * 201}.nii.gz")
    with pytest.raises(InputError, match=r"row 3, column path: a study is named by .* has 201 bytes, 200 are the most"):
        cohort(table.replace("two", "n" * 201))
