"""NIfTI files read and masks written, as other programs see them."""

import gzip
import itertools
import struct
from xml.etree import ElementTree

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
from scipy.spatial.transform import Rotation

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.nifti import (
    is_nifti,
    open_nifti,
    write_ct_nifti,
    write_label_nifti,
)
from pneumoseg.data_io.formats.reading import read_labels, read_volume
from pneumoseg.data_io.volumes.labels import LUNG_LABELS, LabelTable
from pneumoseg.data_io.volumes.volume import Volume

MASK = (np.arange(60) % 4).astype(np.uint8).reshape(3, 4, 5)


def save(path, array, affine=None, **header):
    image = nib.Nifti1Image(array, np.diag([-0.7, -0.8, 2.5, 1.0]) if affine is None else affine)
    if "scaling" in header:
        image.header.set_slope_inter(*header["scaling"])
    nib.save(image, path)
    return path


def axis_aligned():
    for order in itertools.permutations(range(3)):
        for signs in itertools.product((1, -1), repeat=3):
            affine = np.eye(4)
            affine[:3, :3] = np.eye(3)[:, order] * signs * np.array([0.7, 0.8, 2.5])
            affine[:3, 3] = (12.5, -80, 33.25)
            yield pytest.param(affine, id="".join(nib.aff2axcodes(affine)))


def oblique():
    for angles in ((5, 10, 20), (45, 45, 90), (0, 0, 45), (170, -65, 12)):
        affine = np.eye(4)
        affine[:3, :3] = Rotation.from_euler("xyz", angles, degrees=True).as_matrix() * np.array([0.7, 0.8, -2.5])
        affine[:3, 3] = (12.5, -80, 33.25)
        yield pytest.param(affine, id=f"oblique{angles}")


def sheared():
    affine = np.diag([0.7, 0.8, 2.5, 1.0])
    affine[1, 2] = 0.6  # a gantry tilted by 13 degrees
    return affine


@pytest.mark.parametrize("affine", [*axis_aligned(), *oblique(), pytest.param(sheared(), id="sheared")])
def test_mask_round_trip(tmp_path, affine):
    path = tmp_path / "mask.nii.gz"
    write_label_nifti(path, Volume.from_source(MASK, affine), LUNG_LABELS)

    written = nib.load(path)
    assert written.shape == MASK.shape
    assert written.get_data_dtype() == np.uint8
    np.testing.assert_array_equal(np.asarray(written.dataobj), MASK)
    np.testing.assert_allclose(written.get_sform(), affine, atol=1e-5, rtol=1e-6)
    np.testing.assert_allclose(written.header.get_zooms(), np.linalg.norm(affine[:3, :3], axis=0), rtol=1e-6)
    assert (int(written.header["qform_code"]), int(written.header["sform_code"])) == (1, 1)

    read = read_labels(path, 4)
    np.testing.assert_array_equal(read.restore(), MASK)
    assert read.stored_grid.matches(Volume.from_source(MASK, affine).stored_grid)


@pytest.mark.parametrize("affine", [*axis_aligned(), *oblique()])
def test_simpleitk_agrees_on_the_place(tmp_path, affine):
    path = tmp_path / "mask.nii.gz"
    write_label_nifti(path, Volume.from_source(MASK, affine), LUNG_LABELS)
    image = sitk.ReadImage(str(path))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(image).T, MASK)
    for index in ((0, 0, 0), (2, 3, 4), (1, 0, 3)):
        left, back, up = image.TransformIndexToPhysicalPoint(index)
        np.testing.assert_allclose((-left, -back, up), (affine @ (*index, 1))[:3], atol=1e-4)


def test_qform_is_orthonormal_and_nearest(tmp_path):
    path = tmp_path / "mask.nii"
    write_label_nifti(path, Volume.from_source(MASK, sheared()), LUNG_LABELS)
    spacing = np.linalg.norm(sheared()[:3, :3], axis=0)
    cosines = nib.load(path).get_qform()[:3, :3] / spacing
    np.testing.assert_allclose(cosines.T @ cosines, np.eye(3), atol=1e-6)
    # No rotation nearby is nearer (Frobenius norm) to the sheared axes than the one written.
    wanted = sheared()[:3, :3] / spacing
    best = np.linalg.norm(cosines - wanted)
    for axis in np.vstack([np.eye(3), -np.eye(3)]):
        turned = Rotation.from_rotvec(0.01 * axis).as_matrix() @ cosines
        assert np.linalg.norm(turned - wanted) > best
    assert sitk.ReadImage(str(path)).GetSize() == MASK.shape  # ITK refuses axes that are not orthonormal


def test_header_says_label_in_millimetres_unscaled(tmp_path):
    path = tmp_path / "mask.nii.gz"
    write_label_nifti(path, Volume.from_source(MASK, np.eye(4)), LUNG_LABELS)
    header = nib.load(path).header
    assert int(header["intent_code"]) == 1002
    assert header.get_xyzt_units()[0] == "mm"
    assert struct.unpack("<ff", gzip.decompress(path.read_bytes())[112:120]) == (1.0, 0.0)


def test_label_table_travels_along(tmp_path):
    path = tmp_path / "mask.nii.gz"
    table = LabelTable(("background", "lung & airways"), ((0, 0, 0), (255, 0, 51)))
    write_label_nifti(path, Volume.from_source(np.ones((2, 2, 2), np.uint8), np.eye(4)), table)
    (extension,) = nib.load(path).header.extensions
    assert extension.get_code() == 30
    labels = ElementTree.fromstring(extension.content.rstrip(b"\0")).findall(".//Label")
    assert [(label.get("Key"), label.text) for label in labels] == [("0", "background"), ("1", "lung & airways")]
    assert [float(labels[1].get(colour)) for colour in ("Red", "Green", "Blue", "Alpha")] == [1.0, 0.0, 0.2, 1.0]


def test_same_mask_gives_same_bytes(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        write_label_nifti(tmp_path / name / "mask.nii.gz", Volume.from_source(MASK, np.eye(4)), LUNG_LABELS)
    assert (tmp_path / "a" / "mask.nii.gz").read_bytes() == (tmp_path / "b" / "mask.nii.gz").read_bytes()


def test_full_disk_leaves_nothing(tmp_path, monkeypatch):
    def half_written(header, file):
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(nib.Nifti1Header, "write_to", half_written)
    with pytest.raises(OSError, match="No space left"):
        write_label_nifti(tmp_path / "mask.nii.gz", Volume.from_source(MASK, np.eye(4)), LUNG_LABELS)
    assert list(tmp_path.iterdir()) == []


def test_mask_of_another_format_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"\.nii or \.nii\.gz"):
        write_label_nifti(tmp_path / "mask.png", Volume.from_source(MASK, np.eye(4)), LUNG_LABELS)


@pytest.mark.parametrize("affine", [*oblique()])
def test_ct_file_carries_both_codes_and_no_scaling(tmp_path, affine):
    ct = Volume.from_source(MASK.astype(np.int16) - 1000, affine)
    write_ct_nifti(tmp_path / "ct.nii.gz", ct)
    written = nib.load(tmp_path / "ct.nii.gz")
    assert int(written.header["sform_code"]) == int(written.header["qform_code"]) == 1
    assert written.header.get_data_dtype() == np.int16
    assert (written.dataobj.slope, written.dataobj.inter) == (1, 0)
    np.testing.assert_allclose(written.header.get_qform(), affine, atol=1e-3)
    np.testing.assert_allclose(written.header.get_zooms(), ct.stored_grid.spacing_mm, atol=1e-4)
    np.testing.assert_array_equal(np.asarray(written.dataobj), MASK.astype(np.int16) - 1000)


def test_ct_file_rounds_and_keeps_within_int16(tmp_path):
    array = np.full((4, 4, 4), 1.6, dtype=np.float32)
    array[0, 0, 0], array[1, 0, 0] = 1e6, -1e6
    write_ct_nifti(tmp_path / "ct.nii", Volume.from_source(array, np.eye(4)))
    found = read_volume(tmp_path / "ct.nii").array
    assert (found[0, 0, 0], found[1, 0, 0], found[2, 2, 2]) == (32767, -32768, 2)


def test_ct_file_must_be_named_nifti(tmp_path):
    volume = Volume.from_source(np.zeros((4, 4, 4), dtype=np.int16), np.eye(4))
    with pytest.raises(InputError, match=r"\.nii"):
        write_ct_nifti(tmp_path / "ct.png", volume)


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz", ".NII.GZ"])
@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.int32, np.float32])
def test_unscaled_voxels_keep_their_type(tmp_path, suffix, dtype):
    array = np.arange(24).astype(dtype).reshape(2, 3, 4)
    volume = read_volume(save(tmp_path / f"ct{suffix}", array))
    assert volume.array.dtype == dtype
    np.testing.assert_array_equal(volume.restore(), array)


def test_float64_becomes_float32(tmp_path):
    volume = read_volume(save(tmp_path / "ct.nii.gz", np.full((2, 2, 2), -1000.5)))
    assert volume.array.dtype == np.float32
    assert (volume.array == -1000.5).all()


@pytest.mark.parametrize("dtype", [">i2", ">f4", ">f8"])
def test_big_endian_file_is_read_in_native_order(tmp_path, dtype):
    header = nib.Nifti1Header(endianness=">")
    header.set_data_dtype(dtype)
    nib.save(nib.Nifti1Image(np.full((2, 3, 4), -700, dtype), np.eye(4), header), tmp_path / "ct.nii")
    volume = read_volume(tmp_path / "ct.nii")
    assert volume.array.dtype.isnative
    assert volume.array.dtype.itemsize <= 4
    assert (volume.array == -700).all()


def test_scaling_is_applied(tmp_path):
    path = save(tmp_path / "ct.nii.gz", np.array([[[0, 1000]]], dtype=np.int16), np.eye(4))
    raw = bytearray(gzip.decompress(path.read_bytes()))
    raw[112:120] = struct.pack("<ff", 2.0, -1024.0)
    path.write_bytes(gzip.compress(bytes(raw)))
    volume = read_volume(path)
    assert volume.array.dtype == np.float32
    np.testing.assert_array_equal(volume.array, [[[-1024, 976]]])


def test_trailing_single_axes_are_dropped(tmp_path):
    path = save(tmp_path / "ct.nii.gz", MASK.reshape(3, 4, 5, 1, 1))
    assert open_nifti(path).stored_grid.shape == (3, 4, 5)
    np.testing.assert_array_equal(read_volume(path).restore(), MASK)


def test_nifti2_is_read(tmp_path):
    nib.save(nib.Nifti2Image(MASK, np.eye(4)), tmp_path / "ct.nii.gz")
    np.testing.assert_array_equal(read_volume(tmp_path / "ct.nii.gz").array, MASK)


def test_grid_without_voxels(tmp_path):
    grid = open_nifti(save(tmp_path / "ct.nii.gz", MASK)).stored_grid
    assert grid.shape == (3, 4, 5)
    assert grid.axis_codes == "LPS"
    np.testing.assert_allclose(grid.spacing_mm, (0.7, 0.8, 2.5), rtol=1e-6)


def missing(path):
    return path.with_name("missing.nii.gz")


def empty(path):
    path.write_bytes(b"")


def truncated(path):
    save(path, np.random.default_rng(0).integers(-1000, 400, (16, 16, 16)).astype(np.int16))
    path.write_bytes(path.read_bytes()[:3000])


def one_bit_off(path):
    save(path, np.random.default_rng(0).integers(-1000, 400, (16, 16, 16)).astype(np.int16))
    raw = bytearray(path.read_bytes())
    raw[-6] ^= 1  # in gzip's checksum
    path.write_bytes(bytes(raw))


def text(path):
    path.write_text("this is no scan\n" * 40)


def four_axes(path):
    save(path, np.zeros((4, 4, 4, 3), np.int16))


def two_axes(path):
    save(path, np.zeros((4, 4), np.int16))


def colour(path):
    save(path, np.zeros((4, 4, 4), dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")]))


def complex_numbers(path):
    save(path, np.zeros((4, 4, 4), np.complex64))


def not_a_number(path):
    array = np.zeros((4, 4, 4), np.float32)
    array[1, 2, 3] = np.nan
    save(path, array)


def infinite(path):
    save(path, np.full((4, 4, 4), np.inf))


def beyond_float32(path):
    save(path, np.full((4, 4, 4), 1e300))


def singular(path):
    save(path, np.zeros((4, 4, 4), np.int16))
    raw = bytearray(gzip.decompress(path.read_bytes()))
    raw[312:328] = bytes(16)  # srow_z: the sform's third row
    path.write_bytes(gzip.compress(bytes(raw)))


def damaged_size(path):
    save(path, np.zeros((4, 4, 4), np.int16))
    raw = bytearray(gzip.decompress(path.read_bytes()))
    raw[42:48] = struct.pack("<hhh", 32000, 32000, 32000)
    path.write_bytes(gzip.compress(bytes(raw)))


def negative_size(path):
    save(path, np.zeros((4, 4, 4), np.int16))
    raw = bytearray(gzip.decompress(path.read_bytes()))
    raw[42:44] = struct.pack("<h", -4)
    path.write_bytes(gzip.compress(bytes(raw)))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (missing, "no such file"),
        (empty, "not a readable NIfTI"),
        (truncated, "truncated or damaged"),
        (one_bit_off, "truncated or damaged"),
        (text, "not a readable NIfTI"),
        (four_axes, "3 axes"),
        (two_axes, "3 axes"),
        (colour, "plain numbers"),
        (complex_numbers, "plain numbers"),
        (not_a_number, "found 1 NaN"),
        (infinite, "found 64 NaN or infinite"),
        (beyond_float32, "found 64 NaN or infinite"),
        (singular, "invertible"),
        (damaged_size, "truncated or its header damaged"),
        (negative_size, "3 axes"),
    ],
)
def test_refused_in_one_sentence_that_names_the_file(tmp_path, spoil, message):
    path = tmp_path / "scan.nii.gz"
    path = spoil(path) or path
    with pytest.raises(InputError, match=message) as refusal:
        read_volume(path)
    assert str(path) in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(("value", "shown"), [(7, "7"), (1.5, "1.5"), (-1, "-1")])
def test_wrong_labels_are_refused(tmp_path, value, shown):
    path = save(tmp_path / "mask.nii.gz", np.array([[[0, 1, 2, value]]], np.float32))
    with pytest.raises(InputError, match=rf"mask\.nii\.gz: labels must be 0\.\.3, found {shown};"):
        read_labels(path, 4)


def test_float_labels_become_uint8(tmp_path):
    labels = read_labels(save(tmp_path / "mask.nii", MASK.astype(np.float64)), 4)
    assert labels.array.dtype == np.uint8
    np.testing.assert_array_equal(labels.restore(), MASK)


def test_names():
    assert is_nifti("a/b.NII")
    assert not is_nifti("b.nii.zip")
