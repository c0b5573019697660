"""CTs slab by slab to NIfTI and NRRD: as SimpleITK and nibabel read them, in little memory."""

import hashlib
import tracemalloc

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.reading import open_scan
from pneumoseg.data_io.formats.scan_writing import scan_suffix, write_scan
from pneumoseg.data_io.volumes.lazy_volume import Scan
from pneumoseg.data_io.volumes.volume import Grid

ARRAY = np.random.default_rng(0).integers(-1024, 3000, (5, 6, 7)).astype(np.int16)
AFFINE = np.array([[-0.7, 0.01, 0, 120.25], [0.01, -0.7, 0.4, 80], [0, 0.01, 2.5, -300], [0, 0, 0, 1]])


def scan_of(array, thickness=3):
    grid = Grid(array.shape, AFFINE)
    return Scan(grid, lambda: (array[..., at : at + thickness] for at in range(0, array.shape[2], thickness)))


@pytest.mark.parametrize("dtype", [np.int16, np.float32])
@pytest.mark.parametrize("suffix", ["nii.gz", "nii", "nrrd"])
def test_round_trip(tmp_path, suffix, dtype):
    array = ARRAY.astype(dtype) + np.asarray(0.5 if dtype is np.float32 else 0, dtype)
    written = write_scan(tmp_path / f"ct.{suffix}", scan_of(array))
    read = open_scan(tmp_path / f"ct.{suffix}")
    np.testing.assert_array_equal(read.read().restore(), array)
    np.testing.assert_allclose(read.stored_grid.affine, AFFINE, atol=1e-5)
    assert written.sha256 == hashlib.sha256(array.tobytes(order="F")).hexdigest()
    assert (written.least, written.largest, written.data_type) == (array.min(), array.max(), np.dtype(dtype).name)


def test_nrrd_as_simpleitk_reads_it(tmp_path):
    straight = Scan(Grid(ARRAY.shape, np.diag([-0.7, -0.8, 2.5, 1])), lambda: iter([ARRAY]))
    write_scan(tmp_path / "ct.nrrd", straight)
    image = sitk.ReadImage(str(tmp_path / "ct.nrrd"))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(image).T, ARRAY)
    assert image.GetSpacing() == pytest.approx((0.7, 0.8, 2.5))
    assert image.GetDirection() == pytest.approx((1, 0, 0, 0, 1, 0, 0, 0, 1))
    assert image.GetPixelIDTypeAsString() == "16-bit signed integer"


def test_nifti_as_nibabel_reads_it(tmp_path):
    write_scan(tmp_path / "ct.nii.gz", scan_of(ARRAY))
    image = nib.load(tmp_path / "ct.nii.gz")
    np.testing.assert_array_equal(np.asarray(image.dataobj), ARRAY)
    np.testing.assert_allclose(image.affine, AFFINE, atol=1e-5)
    assert image.get_data_dtype() == np.int16


@pytest.mark.parametrize("suffix", ["nii.gz", "nrrd"])
def test_memory_is_that_of_a_slab(tmp_path, suffix):
    slab = np.zeros((64, 64, 16), np.int16)
    grid = Grid((64, 64, 16 * 60), np.eye(4))
    tracemalloc.start()
    write_scan(tmp_path / f"ct.{suffix}", Scan(grid, lambda: (slab for _ in range(60))))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * slab.nbytes  # the whole is 60 slabs


def test_a_failing_scan_leaves_nothing(tmp_path):
    def slabs():
        yield ARRAY[..., :3]
        raise InputError("truncated")

    for name in ("ct.nii.gz", "ct.nrrd"):
        with pytest.raises(InputError, match="truncated"):
            write_scan(tmp_path / name, Scan(Grid(ARRAY.shape, AFFINE), slabs))
    assert not list(tmp_path.iterdir())


def test_names(tmp_path):
    assert [scan_suffix(name) for name in ("a.nii.gz", "A.NII", "a.nrrd", "a.mha")] == [
        ".nii.gz",
        ".nii",
        ".nrrd",
        None,
    ]
    with pytest.raises(InputError, match=r"a\.mha: a CT is written as \.nii\.gz, \.nii or \.nrrd"):
        write_scan(tmp_path / "a.mha", scan_of(ARRAY))
