from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from pneumoseg.data_io.datasets.cohort_table import read_cohort_table
from pneumoseg.data_io.datasets.inputs import find_inputs, one_part, part_numbers
from pneumoseg.data_io.errors import InputError
from tests.data_io.formats.dicom.dicom_files import write_series


@pytest.fixture
def cts(tmp_path):
    (tmp_path / "cts").mkdir()
    for name in ("a", "b"):
        nib.save(nib.Nifti1Image(np.zeros((2, 2, 2), np.int16), np.eye(4)), tmp_path / "cts" / f"{name}.nii.gz")
    (tmp_path / "cts" / ".partial-1-c.nii.gz").write_bytes(b"half")
    (tmp_path / "cts" / "notes.md").write_text("not a CT")
    return tmp_path / "cts"


def test_a_folder_means_the_cts_in_it(cts):
    assert find_inputs([cts]) == {"a": cts / "a.nii.gz", "b": cts / "b.nii.gz"}


def test_datasets_and_case_folders_mean_their_images_alone(cts, tmp_path):
    for case in ("one", "two"):
        (tmp_path / "data" / case).mkdir(parents=True)
        for name in ("imaging.nii.gz", "segmentation.nii.gz"):
            (tmp_path / "data" / case / name).write_bytes((cts / "a.nii.gz").read_bytes())
    one, two = (tmp_path / "data" / case / "imaging.nii.gz" for case in ("one", "two"))
    assert find_inputs([tmp_path / "data"]) == {"one": one, "two": two}
    assert find_inputs([tmp_path / "data" / "one"]) == {"one": one}
    assert find_inputs([one, two]) == {"one": one, "two": two}


def test_a_list_names_inputs_relative_to_itself(cts):
    (cts / "list.txt").write_text("a.nii.gz  \n\n  # nothing here\n../cts/b.nii.gz\n")
    assert list(find_inputs([cts / "list.txt"])) == ["a", "b"]


def test_the_table_of_a_cohort_names_its_cts_as_the_cohort_does(tmp_path):
    for name in ("one", "two"):
        a_series(tmp_path / name / "dicom")
    (tmp_path / "cohort.csv").write_text("patient,path,label\np,one/dicom,yes\nq,two/dicom,no\n")
    found = find_inputs([tmp_path / "cohort.csv"])
    assert found == {name: tmp_path / name / "dicom" for name in ("one", "two")}
    assert list(found) == [row.name for row in read_cohort_table(tmp_path / "cohort.csv")]


def test_a_row_of_a_cohort_with_two_cts_is_refused(cts, tmp_path):
    (tmp_path / "cohort.csv").write_text("patient,path,label\np,cts,yes\n")
    with pytest.raises(InputError, match=r"a row names one CT, found 2 for cts; name each in a row"):
        find_inputs([tmp_path / "cohort.csv"])


def test_dicom_folders_are_named_by_their_folder(real_data):
    found = find_inputs([real_data / "dicom" / "cip_ct64"])
    assert found == {"cip_ct64": real_data / "dicom" / "cip_ct64"}
    assert list(find_inputs([real_data / "dicom"])) == ["cip_ct64", "covid_ct_md_P002", "lung_pet_ct_dx_A0002"]


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (["absent"], "no such file"),
        (["empty"], "empty"),
        (["cts/a.nii.gz", "other/a.nii.gz"], "have one output name: a"),
        (["nothing.txt"], "names no input"),
        (["binary.txt"], "plain text"),
        (["nested.txt"], "not other lists"),
        (["dead.txt"], "no such file"),
        (["tables.txt"], "not other lists"),
        (["no_cohort.csv"], "patient"),
    ],
)
def test_bad_inputs_are_refused(cts, tmp_path, inputs, message):
    for folder in ("empty", "other"):
        (tmp_path / folder).mkdir()
    (tmp_path / "other" / "a.nii.gz").write_bytes((cts / "a.nii.gz").read_bytes())
    (tmp_path / "nothing.txt").write_text("# only a remark\n")
    (tmp_path / "binary.txt").write_bytes(bytes(range(256)))
    (tmp_path / "nested.txt").write_text("nothing.txt\n")
    (tmp_path / "dead.txt").write_text("gone.nii.gz\n")
    (tmp_path / "tables.txt").write_text("no_cohort.csv\n")
    (tmp_path / "no_cohort.csv").write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match=message):
        find_inputs([tmp_path / name for name in inputs])


def test_parts_together_are_the_whole():
    files = {name: Path(name) for name in "abcdefg"}
    parts = [one_part(files, f"{index}/3") for index in (1, 2, 3)]
    assert [list(part) for part in parts] == [["a", "d", "g"], ["b", "e"], ["c", "f"]]
    assert one_part(files, "1/1") == files


@pytest.mark.parametrize("part", ["0/3", "4/3", "1", "a/b", "1/0", "-1/3"])
def test_odd_parts_are_refused(part):
    with pytest.raises(InputError, match="for instance 1/4"):
        part_numbers(part)
    with pytest.raises(InputError, match="I/N"):
        one_part({}, part)


def a_series(folder, heights=(0, 2.5), **values):
    """A CT whose UID is made of the folder's path."""
    folder.mkdir(parents=True)
    uid = f"1.2.{int.from_bytes(str(folder).encode()) % 10**20}"
    return write_series(folder, heights, **{"uid": uid, **values})


def a_ct(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


def test_dicom_folders_at_any_depth_are_found_together(tmp_path, said):
    near, far = a_series(tmp_path / "P1"), a_series(tmp_path / "P2" / "study" / "series")
    assert find_inputs([tmp_path]) == {"P1": near, "P2_study_series": far}
    assert said.text == ""


def test_cts_dicom_folders_and_cases_in_one_folder_are_all_found(tmp_path):
    case = a_ct(tmp_path / "case" / "imaging.nii.gz")
    a_ct(tmp_path / "case" / "segmentation.nii.gz")
    a_series(tmp_path / "case" / "original")
    single, series = a_ct(tmp_path / "single.nii.gz"), a_series(tmp_path / "archive" / "P1")
    assert find_inputs([tmp_path]) == {"archive_P1": series, "single": single, "case": case}


def test_a_dataset_whose_images_are_dicom_folders_has_the_names_of_its_cases(tmp_path):
    image = a_series(tmp_path / "case" / "imaging")
    a_series(tmp_path / "case" / "segmentation")
    assert find_inputs([tmp_path]) == {"case": image}


def test_dicom_folders_beside_masks_are_no_dataset(tmp_path, said):
    a_ct(tmp_path / "P1" / "segmentation.nii.gz")
    slices = a_series(tmp_path / "P1" / "slices")
    assert find_inputs([tmp_path]) == {"P1_slices": slices}
    assert said.text == ""


def test_ct_files_in_subfolders_are_asked_for(tmp_path):
    for name in ("p1", "p2"):
        a_ct(tmp_path / name / "ct.nii.gz")
    with pytest.raises(InputError, match=r"no CT directly in it, but in p1, p2; give these folders, or a .txt list"):
        find_inputs([tmp_path])


def test_hidden_folders_are_not_entered(tmp_path):
    a_series(tmp_path / ".trash" / "P0")
    a_series(tmp_path / "P1" / ".before")
    seen = a_series(tmp_path / "P2" / "series")
    assert find_inputs([tmp_path]) == {"P2_series": seen}


def test_cts_that_are_skipped_are_named(tmp_path, said):
    a_series(tmp_path / "P1")
    a_ct(tmp_path / "P2" / "ct.nii.gz")
    a_ct(tmp_path / "P1" / "derived" / "ct.nii.gz")
    (tmp_path / "notes").mkdir()
    assert list(find_inputs([tmp_path])) == ["P1"]
    assert f"{tmp_path}: CTs skipped: P1/derived, P2; give" in said.text
    said.clear()
    assert find_inputs([tmp_path / "P1"]) == {"P1": tmp_path / "P1"}
    assert "P1: read as one DICOM series; CTs skipped: derived; give" in said.text


def test_cts_beside_dicom_slices_are_named(cts, said):
    write_series(cts)
    (cts / "segmentation.nii.gz").touch()
    assert find_inputs([cts]) == {"cts": cts}
    assert "cts: read as one DICOM series; CTs skipped: a.nii.gz, b.nii.gz; give" in said.text
    said.clear()
    assert find_inputs([cts.parent]) == {"cts": cts}
    assert f"{cts.parent}: CTs skipped: cts/a.nii.gz, cts/b.nii.gz; give" in said.text


def test_masks_of_stacks_are_skipped(cts):
    for name in ("tr_im", "tr_mask", "lone_mask"):
        (cts / f"{name}.nii.gz").write_bytes((cts / "a.nii.gz").read_bytes())
    assert list(find_inputs([cts])) == ["a", "b", "lone_mask", "tr_im"]
