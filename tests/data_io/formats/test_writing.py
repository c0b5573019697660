"""The name of a mask's file chooses its format."""

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.pictures import picture_volume
from pneumoseg.data_io.formats.reading import read_labels
from pneumoseg.data_io.formats.writing import case_name, is_label_file, write_labels
from pneumoseg.data_io.volumes.labels import LUNG_LABELS
from pneumoseg.data_io.volumes.volume import Volume

MASK = (np.arange(60) % 4).astype(np.uint8).reshape(3, 4, 5)


@pytest.fixture
def labels():
    return Volume.from_source(MASK, np.diag([-0.7, -0.8, 2.5, 1.0]))


@pytest.mark.parametrize("name", ["case.nii", "case.nii.gz"])
def test_nifti(tmp_path, labels, name):
    write_labels(tmp_path / name, labels, LUNG_LABELS)
    np.testing.assert_array_equal(np.asarray(nib.load(tmp_path / name).dataobj), MASK)


def test_picture(tmp_path):
    mask = picture_volume(MASK[:, :, 0])
    write_labels(tmp_path / "case.png", mask, LUNG_LABELS)
    np.testing.assert_array_equal(read_labels(tmp_path / "case.png", LUNG_LABELS).array, mask.array)


def test_a_picture_holds_one_slice(tmp_path, labels):
    with pytest.raises(InputError, match=r"case\.png: a picture holds one slice, found a mask of 5"):
        write_labels(tmp_path / "case.png", labels, LUNG_LABELS)
    assert not list(tmp_path.iterdir())


def test_slicer(tmp_path, labels):
    write_labels(tmp_path / "case.seg.nrrd", labels, LUNG_LABELS)
    image = sitk.ReadImage(str(tmp_path / "case.seg.nrrd"))
    assert image.GetMetaData("Segment2_Name") == "infection"
    np.testing.assert_array_equal(sitk.GetArrayFromImage(image).T, MASK)


@pytest.mark.parametrize("name", ["case.nrrd", "case.mha", "case.jpg", "case"])
def test_other_names_are_refused_and_the_formats_listed(tmp_path, labels, name):
    assert not is_label_file(name)
    with pytest.raises(
        InputError, match=rf"{name}: a mask is written as \.nii, \.nii\.gz, \.npy, \.png, \.seg\.nrrd; "
    ):
        write_labels(tmp_path / name, labels, LUNG_LABELS)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("a/lung.1.nii.gz", "lung.1"),
        ("a/lung.1.nii", "lung.1"),
        ("a/lung.1.SEG.NRRD", "lung.1"),
        ("a/lung.1.nrrd", "lung.1"),
        ("a/lung.1.mha", "lung.1"),
        ("a/lung.1.MHD", "lung.1"),
        ("a/lung.1.nhdr", "lung.1"),
        ("a/lung.1.npz", "lung.1"),
        ("a/lung.1.png", "lung.1"),
        ("a/lung.1.PNG", "lung.1"),
        ("a/lung.1.jpeg", "lung.1"),
        ("a/lung.1.tif", "lung.1"),
        ("a/lung", "lung"),
    ],
)
def test_case_name(path, name):
    assert case_name(path) == name
