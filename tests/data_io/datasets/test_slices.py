"""Volumes as slices."""

import numpy as np
import pytest

from pneumoseg.data_io.datasets.dataset import Case, Dataset
from pneumoseg.data_io.datasets.layouts import open_dataset
from pneumoseg.data_io.datasets.slices import slice_cases, slices_of_stack
from pneumoseg.data_io.errors import InputError


@pytest.fixture
def volumes(tmp_path, write_nifti):
    """`a` of 4 slices, of which 1 and 2 hold class 3, and `b` of 3 without; both of one patient."""
    for name, count in (("a", 4), ("b", 3)):
        mask = np.zeros((2, 5, count), np.uint8)
        if name == "a":
            mask[1, 0, 1:3] = 3
            mask[0, 4, 3] = 1
        write_nifti(tmp_path / name / "imaging.nii.gz", np.full((2, 5, count), 7, np.int16))
        write_nifti(tmp_path / name / "segmentation.nii.gz", mask)
    (tmp_path / "patients.csv").write_text("case,patient\na,P\nb,P\n")
    return open_dataset(tmp_path)


def names(dataset):
    return [case.name for case in dataset]


def test_every_slice_is_a_case_of_its_patient(volumes):
    dataset = slice_cases(volumes, 2, foreground=None, labels=4)
    assert names(dataset) == ["a_000", "a_001", "a_002", "a_003", "b_000", "b_001", "b_002"]
    assert {case.patient for case in dataset} == {"P"}
    assert [(case.slice.volume, case.slice.index) for case in dataset][3:5] == [("a", 3), ("b", 0)]
    assert dataset.case("b_001").read_image().array.shape == (2, 5, 1)
    assert len(slice_cases(volumes, 0, foreground=None, labels=4)) == 4


def test_slices_without_foreground_may_be_left_out(volumes, said):
    assert names(slice_cases(volumes, 2, foreground=(3,), labels=4)) == ["a_001", "a_002"]
    assert "no slice of b has a voxel of the foreground" in said.text
    assert names(slice_cases(volumes, 1, foreground=(1, 3), labels=4)) == ["a_000", "a_004"]
    with pytest.raises(InputError, match=r"no slice with a voxel of the classes 2; correct patches\.foreground_labels"):
        slice_cases(volumes, 2, foreground=(2,), labels=4)


def test_slices_in_which_nothing_counts_are_left_out(tmp_path, volumes, write_nifti):
    valid = np.ones((2, 5, 4), np.uint8)
    valid[:, :, :2] = 0
    write_nifti(tmp_path / "a" / "valid.nii.gz", valid)
    dataset = slice_cases(open_dataset(tmp_path), 2, foreground=None, labels=4)
    assert names(dataset) == ["a_002", "a_003", "b_000", "b_001", "b_002"]
    assert names(slice_cases(dataset, 2, foreground=(1, 3), labels=4)) == ["a_002", "a_003"]
    assert len(slice_cases(open_dataset(tmp_path), 0, foreground=None, labels=4)) == 4


def test_slices_stay_as_they_are(volumes):
    once = slice_cases(volumes, 2, foreground=None, labels=4)
    assert slice_cases(once, 0, foreground=None, labels=4).cases == once.cases
    assert names(slice_cases(once, 0, foreground=(3,), labels=4)) == ["a_001", "a_002"]


def test_pictures_stay_as_they_are(tmp_path, write_picture):
    write_picture(tmp_path / "images" / "a.png", np.zeros((3, 4)))
    write_picture(tmp_path / "masks" / "a.png", np.ones((3, 4)))
    dataset = open_dataset(tmp_path)
    assert slice_cases(dataset, 2, foreground=(1,), labels=2).cases == dataset.cases


def test_masks_with_other_slices_are_refused(volumes, write_nifti):
    write_nifti(volumes.root / "b" / "segmentation.nii.gz", np.zeros((2, 5, 4), np.uint8))
    with pytest.raises(InputError, match=r"case b: image .* has 3 slices, mask .* has 4"):
        slice_cases(volumes, 2, foreground=(3,), labels=4)


def test_numbers_have_digits_enough_to_sort(tmp_path, write_nifti):
    image = write_nifti(tmp_path / "a.nii", np.zeros((1, 1, 1001), np.uint8))
    cases = slices_of_stack(Case("a", image, None, "a"))
    assert [cases[0].name, cases[-1].name] == ["a_0000", "a_1000"]


def test_two_cases_of_one_name_are_refused(tmp_path, write_nifti):
    image = write_nifti(tmp_path / "a.nii", np.zeros((1, 1, 2), np.uint8))
    single = write_nifti(tmp_path / "b.nii", np.zeros((1, 1, 1), np.uint8))
    cases = (Case("a", image, None, "a"), Case("a_001", single, None, "b"))
    with pytest.raises(InputError, match="slices and other cases have one name: a_001; rename the volumes"):
        slice_cases(Dataset(tmp_path, cases, "x"), 2, foreground=None, labels=4)
