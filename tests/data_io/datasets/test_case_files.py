"""Files of channels as one image; files of many slices decoded once."""

import os

import numpy as np
import pytest

from pneumoseg.data_io.datasets import case_files
from pneumoseg.data_io.datasets.case_files import read_channels, read_channels_once, read_labels_once, sha256_once
from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats import nifti
from pneumoseg.data_io.formats.content_hash import sha256_of

RAMP = np.arange(24, dtype=np.int16).reshape(2, 3, 4)


@pytest.fixture
def decoded(monkeypatch):
    """The files decoded since, in order."""
    files = []
    opened = nifti.open_nifti

    def counted(path, *options):
        files.append(path.name)
        return opened(path, *options)

    monkeypatch.setattr(nifti, "open_nifti", counted)
    for cache in (case_files._channels, case_files._labels, case_files._mask_values, case_files._sha256):
        cache.cache_clear()
    return files


def test_channels_are_turned_to_the_first(tmp_path, write_nifti):
    flipped = np.diag([-1.0, 1, 1, 1])
    flipped[0, 3] = 1
    one = write_nifti(tmp_path / "one.nii", RAMP)
    two = write_nifti(tmp_path / "two.nii", RAMP[::-1].copy(), flipped)
    both = read_channels((one, two), "sform")
    assert both.array.shape == (2, 3, 4, 2)
    for channel in range(2):
        np.testing.assert_array_equal(both.array[..., channel], RAMP)
    np.testing.assert_array_equal(read_channels((one,), "sform").array, RAMP)


@pytest.mark.parametrize(
    ("array", "affine", "message"),
    [
        (RAMP[:, :, :3], np.eye(4), r"channels .*one\.nii and .*two\.nii must have one shape"),
        (RAMP, np.diag([1.0, 1, 2, 1]), r"channels .*one\.nii and .*two\.nii must lie in the same place"),
    ],
)
def test_channels_of_different_grids_are_refused(tmp_path, write_nifti, array, affine, message):
    one, two = (write_nifti(tmp_path / "one.nii", RAMP), write_nifti(tmp_path / "two.nii", array, affine))
    with pytest.raises(InputError, match=message):
        read_channels((one, two), "sform")


def test_a_file_is_decoded_once_until_it_changes(tmp_path, write_nifti, decoded):
    path = write_nifti(tmp_path / "a.nii", RAMP)
    first = read_channels_once((path,), "sform")
    assert read_channels_once((path,), "sform") is first
    assert not first.array.flags.writeable
    assert decoded == ["a.nii"]
    write_nifti(path, RAMP + 1)
    os.utime(path, ns=(1, 1))
    np.testing.assert_array_equal(read_channels_once((path,), "sform").array, RAMP + 1)
    assert decoded == ["a.nii"] * 2


def test_few_files_are_kept(tmp_path, write_nifti, decoded):
    paths = [write_nifti(tmp_path / f"{name}.nii", RAMP) for name in "abc"]
    for path in (*paths, paths[2], paths[1], paths[0]):
        read_channels_once((path,), "sform")
    assert decoded == ["a.nii", "b.nii", "c.nii", "a.nii"]


def test_masks_are_decoded_once(tmp_path, write_nifti, decoded):
    path = write_nifti(tmp_path / "a.nii", (RAMP % 4).astype(np.uint8))
    for merge in ((), ((2, 1), (3, 1)), ()):
        mask = read_labels_once(path, 4, label_names=(), grid="sform", merge=merge)
        assert mask.array.max() == (1 if merge else 3)
    assert decoded == ["a.nii"] * 2


def test_hashes_are_those_of_the_content(tmp_path, write_nifti, decoded):
    path = write_nifti(tmp_path / "a.nii", RAMP)
    before = sha256_once(path)
    assert before == sha256_of(path)
    write_nifti(path, RAMP + 1)
    os.utime(path, ns=(1, 1))
    assert sha256_once(path) == sha256_of(path) != before


def test_a_missing_file_has_its_error(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read_channels_once((tmp_path / "none.nii",), "sform")
