"""Formats plug in by a function."""

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk

from data_io import readers
from data_io.errors import InputError
from data_io.readers import is_readable, read_labels, read_volume, register_reader
from data_io.volume import Volume


def read_npz(path):
    with np.load(path) as content:
        return Volume.from_source(content["hu"], content["affine"])


@pytest.fixture
def npz(monkeypatch):
    monkeypatch.setattr(readers, "_READERS", dict(readers._READERS))
    register_reader("npz", lambda path: path.suffix == ".npz", read_npz)


def test_nifti_is_built_in(tmp_path):
    nib.save(nib.Nifti1Image(np.full((2, 3, 4), -5, np.int16), np.eye(4)), tmp_path / "a.nii")
    assert is_readable(tmp_path / "a.nii")
    assert (read_volume(tmp_path / "a.nii").array == -5).all()


def test_hidden_files_are_not_readable():
    assert not is_readable(".partial-1-a.nii.gz")
    assert not is_readable("._a.nii.gz")


def test_unknown_format_is_refused(tmp_path):
    assert not is_readable("a.npz")
    with pytest.raises(InputError, match=r"a\.npz: no reader .* nifti"):
        read_volume(tmp_path / "a.npz")


def test_registered_reader_reads(tmp_path, npz):
    np.savez(tmp_path / "a.npz", hu=np.ones((2, 3, 4)), affine=np.eye(4))
    assert is_readable(tmp_path / "a.npz")
    assert read_volume(tmp_path / "a.npz").array.shape == (2, 3, 4)
    assert read_labels(tmp_path / "a.npz", 2).array.dtype == np.uint8
    with pytest.raises(InputError, match=r"labels must be 0\.\.0, found 1"):
        read_labels(tmp_path / "a.npz", 1)


def test_the_latest_reader_is_asked_first(tmp_path, npz):
    twos = Volume.from_source(np.full((2, 2, 2), 2.0), np.eye(4))
    register_reader("other", lambda path: path.suffix == ".npz", lambda path: twos)
    assert read_volume(tmp_path / "a.npz") is twos
    register_reader("npz", lambda path: path.suffix == ".npz", lambda path: None)
    assert read_volume(tmp_path / "a.npz") is None


@pytest.mark.parametrize("name", ["a.nrrd", "a.mha"])
def test_itk_images_are_built_in(tmp_path, name):
    sitk.WriteImage(sitk.GetImageFromArray(np.full((4, 3, 2), -5, np.int16)), str(tmp_path / name))
    assert is_readable(tmp_path / name)
    assert (read_volume(tmp_path / name).array == -5).all()
