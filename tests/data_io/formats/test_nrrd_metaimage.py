"""NRRD and MetaImage files read, compared with what SimpleITK says of them."""

import itertools
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from scipy.spatial.transform import Rotation

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.image_header import affine_of
from pneumoseg.data_io.formats.nrrd_metaimage import is_itk_image, open_itk_image
from pneumoseg.data_io.formats.reading import read_volume
from pneumoseg.data_io.formats.slicer_seg import place
from pneumoseg.data_io.volumes import lazy_volume
from pneumoseg.data_io.volumes.volume import Grid

SUFFIXES = (".nrrd", ".nhdr", ".mha", ".mhd")
STORED = np.arange(60, dtype=np.int16).reshape(3, 4, 5)  # (x, y, z) in the file's index order


def an_image(array=STORED, spacing=(0.7, 0.8, 2.5), direction=(1, 0, 0, 0, 1, 0, 0, 0, 1), origin=(12.5, -80.0, 33.25)):
    image = sitk.GetImageFromArray(array.T)
    image.SetSpacing(spacing)
    image.SetDirection(np.ravel(direction).tolist())
    image.SetOrigin(origin)
    return image


def directions():
    for order in itertools.permutations(range(3)):
        for signs in ((1, 1, 1), (-1, 1, 1), (1, -1, -1)):
            yield pytest.param(np.eye(3)[:, order] * signs, id=f"{order}{signs}")
    for angles in ((5, 10, 20), (170, -65, 12)):
        turned = Rotation.from_euler("xyz", angles, degrees=True).as_matrix()
        yield pytest.param(turned, id=f"oblique{angles}")
        yield pytest.param(turned * (1, 1, -1), id=f"left-handed{angles}")
    yield pytest.param(np.array([[1, 0, 0], [0, 1, 0.24], [0, 0, 0.97]]), id="sheared")


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("direction", [*directions()])
def test_every_voxel_lies_where_itk_puts_it(tmp_path, suffix, direction):
    path = tmp_path / f"scan{suffix}"
    sitk.WriteImage(an_image(direction=direction), str(path))
    volume = open_itk_image(path).read()
    image = sitk.ReadImage(str(path))

    np.testing.assert_array_equal(volume.restore(), STORED)
    assert volume.stored_grid.shape == image.GetSize()
    for index in np.random.default_rng(0).integers(0, STORED.shape, (8, 3)).tolist():
        left, back, up = image.TransformIndexToPhysicalPoint(index)
        np.testing.assert_allclose((volume.stored_grid.affine @ (*index, 1))[:3], (-left, -back, up), atol=1e-6)
        ours = np.linalg.solve(volume.grid.affine, (-left, -back, up, 1))[:3].round().astype(int)
        assert volume.array[tuple(ours)] == image[index]


def test_place_is_the_inverse_of_affine_of():
    affine = np.array([[0, 0.7, 0, 3.0], [-0.8, 0, 0.6, 4.0], [0, 0, 2.5, 5.0], [0, 0, 0, 1]])
    image = sitk.GetImageFromArray(STORED.T)
    place(image, Grid(STORED.shape, affine))
    np.testing.assert_allclose(
        affine_of(image.GetSpacing(), image.GetDirection(), image.GetOrigin()), affine, atol=1e-12
    )


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("thickness", [1, 2, 5])
def test_slabs_fill_the_volume_in_order(tmp_path, monkeypatch, suffix, compressed, thickness):
    path = tmp_path / f"scan{suffix}"
    sitk.WriteImage(an_image(), str(path), compressed)
    monkeypatch.setattr(lazy_volume, "SLAB_BYTES", thickness * 3 * 4 * 2)
    slabs = list(open_itk_image(path).read_stored())
    assert [slab.shape[2] for slab in slabs] == {1: [1] * 5, 2: [2, 2, 1], 5: [5]}[thickness]
    np.testing.assert_array_equal(np.concatenate(slabs, axis=2), STORED)


@pytest.mark.parametrize("suffix", [".nrrd", ".mha"])
@pytest.mark.parametrize(
    ("stored", "read"),
    [("i1", "i1"), ("u1", "u1"), ("i2", "i2"), ("u2", "u2"), ("i4", "i4"), ("i8", "i8"), ("f4", "f4"), ("f8", "f4")],
)
def test_integers_keep_their_type_and_floats_become_float32(tmp_path, suffix, stored, read):
    path = tmp_path / f"scan{suffix}"
    sitk.WriteImage(an_image(STORED.astype(stored)), str(path))
    array = open_itk_image(path).read().restore()
    assert array.dtype == np.dtype(read)
    np.testing.assert_array_equal(array, STORED)


@pytest.mark.parametrize("suffix", [".nrrd", ".mha"])
def test_a_fourth_axis_of_one_is_dropped(tmp_path, monkeypatch, suffix):
    path = tmp_path / f"scan{suffix}"
    monkeypatch.setattr(lazy_volume, "SLAB_BYTES", 3 * 4 * 2)
    sitk.WriteImage(sitk.JoinSeries([an_image()]), str(path))
    volume = open_itk_image(path).read()
    np.testing.assert_array_equal(volume.restore(), STORED)
    np.testing.assert_allclose(volume.stored_grid.affine @ (0, 0, 0, 1), (-12.5, 80, 33.25, 1))


def test_a_nrrd_in_ras_is_understood(tmp_path):
    path = tmp_path / "scan.nrrd"
    header = (
        "NRRD0004\ntype: short\ndimension: 3\nspace: right-anterior-superior\nsizes: 3 4 5\n"
        "space directions: (0.7,0,0) (0,0.8,0) (0,0,2.5)\nspace origin: (1,2,3)\nendian: little\nencoding: raw\n\n"
    )
    path.write_bytes(header.encode() + STORED.astype("<i2").tobytes(order="F"))
    volume = open_itk_image(path).read()
    np.testing.assert_array_equal(volume.array, STORED)
    expected = np.array([[0.7, 0, 0, 1], [0, 0.8, 0, 2], [0, 0, 2.5, 3], [0, 0, 0, 1]])
    np.testing.assert_allclose(volume.grid.affine, expected, atol=1e-12)


def missing(path):
    return path.with_name(f"missing{path.suffix}")


def empty(path):
    path.write_bytes(b"")


def text(path):
    path.write_text("this is no scan\n" * 40)


def truncated(path):
    sitk.WriteImage(an_image(), str(path))
    path.write_bytes(path.read_bytes()[:-20])


def truncated_compressed(path):
    sitk.WriteImage(an_image(np.random.default_rng(0).integers(0, 9, (8, 8, 8)).astype(np.int16)), str(path), True)
    path.write_bytes(path.read_bytes()[:-20])


def two_axes(path):
    sitk.WriteImage(sitk.GetImageFromArray(STORED[0]), str(path))


def four_axes(path):
    sitk.WriteImage(sitk.JoinSeries([an_image(), an_image()]), str(path))


def colour(path):
    sitk.WriteImage(sitk.GetImageFromArray(np.zeros((4, 4, 4, 3), np.uint8), isVector=True), str(path))


def complex_numbers(path):
    sitk.WriteImage(sitk.GetImageFromArray(np.zeros((4, 4, 4), np.complex64)), str(path))


def not_a_number(path):
    array = np.zeros((4, 4, 4), np.float32)
    array[1, 2, 3] = np.nan
    sitk.WriteImage(sitk.GetImageFromArray(array), str(path))


def infinite(path):
    sitk.WriteImage(sitk.GetImageFromArray(np.full((4, 4, 4), -np.inf)), str(path))


def beyond_float32(path):
    sitk.WriteImage(sitk.GetImageFromArray(np.full((4, 4, 4), 1e300)), str(path))


def replace(path, *changes):
    sitk.WriteImage(sitk.GetImageFromArray(STORED.T), str(path))
    content = path.read_bytes()
    assert any(old in content for old, _ in changes)
    for old, new in changes:
        content = content.replace(old, new)
    path.write_bytes(content)


def singular(path):
    replace(
        path,
        (b"directions: (1,0,0) (0,1,0)", b"directions: (1,0,0) (1,0,0)"),
        (b"Matrix = 1 0 0 0 1 0", b"Matrix = 1 0 0 1 0 0"),
    )


def no_spacing(path):
    replace(path, (b"(1,0,0) (0,1,0)", b"(1,0,0) (0,0,0)"), (b"Spacing = 1 1 1", b"Spacing = 1 0 1"))


def damaged_size(path):
    replace(path, (b"3 4 5", b"32000 32000 32000"))


def other_format(path):
    other = path.with_suffix({".nrrd": ".mha", ".mha": ".nrrd"}[path.suffix])
    sitk.WriteImage(an_image(), str(other))
    other.rename(path)


@pytest.mark.filterwarnings("ignore:invalid value encountered:RuntimeWarning")
@pytest.mark.parametrize("suffix", [".nrrd", ".mha"])
@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (missing, "no such file"),
        (empty, "not a readable NRRD or MetaImage"),
        (text, "not a readable NRRD or MetaImage"),
        (other_format, "not a readable NRRD or MetaImage"),
        (truncated, "truncated or its header damaged"),
        (truncated_compressed, "truncated or its header damaged"),
        (two_axes, r"3 axes, found shape \(5, 4\)"),
        (four_axes, r"3 axes, found shape \(3, 4, 5, 2\)"),
        (colour, "plain numbers, found 3 each"),
        (complex_numbers, "plain numbers, found 2 each"),
        (not_a_number, "found 1 NaN"),
        (infinite, "found 64 NaN or infinite"),
        (beyond_float32, "found 64 NaN or infinite"),
        (singular, "invertible"),
        (no_spacing, "invertible|ElementSpacing must be above 0"),
        (damaged_size, "truncated or its header damaged"),
    ],
)
def test_refused_in_one_sentence_that_names_the_file(tmp_path, suffix, spoil, message):
    path = tmp_path / f"scan{suffix}"
    path = spoil(path) or path
    with pytest.raises(InputError, match=message) as refusal:
        read_volume(path)
    assert str(path) in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("suffix", [".nhdr", ".mhd"])
def test_a_header_without_its_voxels_is_refused(tmp_path, suffix):
    path = tmp_path / f"scan{suffix}"
    sitk.WriteImage(an_image(), str(path))
    path.with_suffix(".raw").unlink()
    with pytest.raises(InputError, match=r"scan\.(nhdr|mhd): .*(raw|missing)"):
        open_itk_image(path).read()


def test_names():
    assert all(is_itk_image(Path("a") / f"b{suffix.upper()}") for suffix in SUFFIXES)
    assert is_itk_image("b.seg.nrrd")
    assert not any(map(is_itk_image, ("b.nii", "nrrd", "b.raw", "b.mha.gz")))


def test_real_ct(real_data):
    path = real_data / "dicom" / "cip_ct64" / "ct-64.nrrd"
    volume = open_itk_image(path).read()
    assert volume.array.shape == (64, 64, 79)
    assert volume.array.dtype == np.int16
    assert volume.stored_grid.axis_codes == "LPS"
    np.testing.assert_allclose(volume.spacing_mm, (4.171872, 4.171872, 3.987342), atol=1e-6)
    image = sitk.ReadImage(str(path))
    for index in np.random.default_rng(0).integers(0, volume.stored_grid.shape, (50, 3)).tolist():
        left, back, up = image.TransformIndexToPhysicalPoint(index)
        ours = np.linalg.solve(volume.grid.affine, (-left, -back, up, 1))[:3].round().astype(int)
        assert volume.array[tuple(ours)] == image[index]
    assert volume.array.min() < -900  # air
    assert -150 < np.median(volume.array[volume.array > -500]) < 100  # fat and soft tissue
