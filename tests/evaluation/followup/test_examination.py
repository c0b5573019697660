"""Reading one date: CT or mask, patient and day of DICOM headers, and what is refused."""

import nibabel as nib
import numpy as np
import pytest

from pneumoseg.data_io.errors import InputError
from pneumoseg.evaluation.followup.examination import (
    Examination,
    check_one_patient,
    ct_pair,
    holds_class_numbers,
    read_examination,
)
from tests.data_io.formats.dicom.dicom_files import NEVER, write_series

AFFINE = np.diag([2.0, 2.0, 3.0, 1.0])


def save(path, array, affine=AFFINE):
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(array, affine), path)
    return path


def labels() -> np.ndarray:
    array = np.zeros((6, 5, 4), np.uint8)
    array[1], array[4], array[1, 2] = 1, 2, 3
    return array


@pytest.fixture
def ct(tmp_path):
    return save(tmp_path / "ct.nii.gz", np.linspace(-1000, 400, 120).reshape(6, 5, 4).astype(np.int16))


@pytest.fixture
def mask(tmp_path):
    return save(tmp_path / "mask.nii.gz", labels())


def test_a_mask_is_told_by_its_class_numbers(mask):
    read = read_examination(mask, None, "baseline")
    assert read.image is None
    np.testing.assert_array_equal(read.lungs.array, labels())


def test_a_ct_has_no_mask_yet(ct):
    read = read_examination(ct, None, "baseline")
    assert (read.mask, read.has_hu) == (None, True)


def test_a_ct_with_its_mask(ct, mask):
    read = read_examination(ct, mask, "baseline")
    np.testing.assert_array_equal(read.lungs.array, labels())
    assert read.image.array.min() == -1000


@pytest.mark.parametrize(
    ("array", "is_mask"),
    [
        (np.zeros((2, 2, 2)), True),
        (np.array([[[0.0, 1.5]]]), False),
        (np.arange(256).reshape(16, 4, 4), False),
        (np.full((2, 2, 2), -1000), False),
        (np.array([[[0, 1, 2, 3000]]]), False),
    ],
)
def test_class_numbers(array, is_mask):
    assert holds_class_numbers(array) is is_mask


def test_a_ct_of_which_the_lowest_slices_are_black_is_no_mask():
    array = np.zeros((8, 8, 16), np.uint8)
    array[..., 8:] = np.arange(64).reshape(8, 8, 1)
    assert not holds_class_numbers(array)


def test_a_folder_holds_one_ct(ct, tmp_path):
    folder = ct.parent / "archive"
    write_series(tmp_path / "series", PatientID="one^secret")
    folder.mkdir()
    (tmp_path / "series").rename(folder / "study")
    assert read_examination(folder, None, "baseline").patient
    save(tmp_path / "case" / "imaging.nii.gz", np.full((6, 5, 4), -900, np.int16))
    save(tmp_path / "case" / "segmentation.nii.gz", labels())
    assert read_examination(tmp_path / "case", None, "baseline").image.array.max() == -900
    for name in ("a", "b"):
        save(tmp_path / "two" / f"{name}.nii.gz", labels())
    with pytest.raises(InputError, match="one date is one CT, found 2"):
        read_examination(tmp_path / "two", None, "baseline")


def test_missing_files_are_named(ct, tmp_path):
    with pytest.raises(InputError, match=r"none\.nii\.gz: no such file"):
        read_examination(tmp_path / "none.nii.gz", None, "baseline")
    with pytest.raises(InputError, match=r"none\.nii\.gz: no such file"):
        read_examination(ct, tmp_path / "none.nii.gz", "baseline")


def test_a_mask_of_another_grid_is_refused(ct, tmp_path):
    shape = save(tmp_path / "shape.nii.gz", labels()[:4])
    place = save(tmp_path / "place.nii.gz", labels(), np.diag([2.0, 2.0, 5.0, 1.0]))
    for other in (shape, place):
        with pytest.raises(InputError, match="CT and mask of the follow-up must"):
            read_examination(ct, other, "follow-up")


def test_a_mask_of_a_mask_is_refused(mask):
    with pytest.raises(InputError, match="a CT belongs to the mask"):
        read_examination(mask, mask, "baseline")


def test_other_labels_nan_and_pictures_are_refused(tmp_path, ct):
    five = save(tmp_path / "five.nii.gz", labels() + 2)
    with pytest.raises(InputError, match=r"labels must be 0\.\.3, found 4, 5"):
        read_examination(five, None, "baseline")
    broken = np.full((4, 4, 4), -800, np.float32)
    broken[0, 0, 0] = np.nan
    with pytest.raises(InputError, match="found 1 NaN or infinite"):
        read_examination(save(tmp_path / "nan.nii.gz", broken), None, "baseline")
    (tmp_path / "slice.png").touch()
    with pytest.raises(InputError, match="compares volumes, found a picture"):
        read_examination(tmp_path / "slice.png", None, "baseline")


def test_a_mask_without_lungs_says_so(tmp_path):
    read = read_examination(save(tmp_path / "empty.nii.gz", np.zeros((4, 4, 4), np.uint8)), None, "follow-up")
    with pytest.raises(InputError, match="follow-up: the mask must have voxels of a lung"):
        _ = read.lungs


def of_dicom(folder, **values) -> Examination:
    return read_examination(write_series(folder, **values), None, folder.name)


def test_two_patients_of_dicom_are_refused_without_saying_who(tmp_path):
    before = of_dicom(tmp_path / "before", PatientID="one^secret")
    after = of_dicom(tmp_path / "after", PatientID="two^secret")
    with pytest.raises(InputError, match="must be of one patient") as refused:
        check_one_patient(before, after)
    assert "secret" not in str(refused.value) + repr(before)
    check_one_patient(before, of_dicom(tmp_path / "again", PatientID="one^secret"))
    check_one_patient(before, of_dicom(tmp_path / "unnamed", PatientID=""))


def test_dates_in_the_wrong_order_are_refused_without_saying_which(tmp_path):
    before, after = (of_dicom(tmp_path / name, StudyDate=f"2020{name}") for name in ("0401", "0315"))
    with pytest.raises(InputError, match="exchange the two inputs") as refused:
        check_one_patient(before, after)
    assert "2020" not in str(refused.value)
    assert NEVER not in repr(before)
    check_one_patient(after, before)
    check_one_patient(before, before)
    check_one_patient(before, of_dicom(tmp_path / "undated"))


def test_only_two_cts_in_hu_are_compared_by_their_values(ct, mask, tmp_path):
    in_hu, alone = read_examination(ct, mask, "baseline"), read_examination(mask, None, "follow-up")
    grey = save(tmp_path / "grey.nii.gz", np.arange(120, dtype=np.uint8).reshape(6, 5, 4))
    windowed = read_examination(grey, mask, "follow-up")
    assert ct_pair(in_hu, in_hu) == (in_hu.image, in_hu.image)
    assert ct_pair(in_hu, alone) is None
    assert ct_pair(in_hu, windowed) is None
