"""Where NIfTI files lie: qform against sform, units, and masks that lie where their CT lies, in any program."""

import gzip
import itertools
import struct

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
from scipy.spatial.transform import Rotation

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.nifti import open_nifti, write_label_nifti
from pneumoseg.data_io.formats.reading import open_scan, read_volume
from pneumoseg.data_io.volumes.labels import LUNG_LABELS

SHAPE = (6, 5, 4)
STORED = np.arange(120, dtype=np.int16).reshape(SHAPE)
RIGHT = np.array([[0.7, 0, 0, -2.0], [0, 0.8, 0, 3.0], [0, 0, 2.5, 40.0], [0, 0, 0, 1]])
LEFT = RIGHT * np.array([[-1.0], [1], [1], [1]])  # x runs to the patient's left
PLACEMENT = ("qform_code", "sform_code", "quatern_b", "quatern_c", "quatern_d", "qoffset_x", "qoffset_y", "qoffset_z")
ROWS = ("srow_x", "srow_y", "srow_z")


def save(path, qform=RIGHT, sform=RIGHT, codes=(1, 1), unit="mm", image_class=nib.Nifti1Image, change=None):
    """A CT whose header says both; `change` may spoil it."""
    image = image_class(STORED, None)
    image.set_qform(qform, codes[0])
    image.set_sform(sform, codes[1])
    image.header["pixdim"][1:4] = np.linalg.norm(qform[:3, :3], axis=0)
    image.header.set_xyzt_units(unit, "sec")
    if change:
        change(image.header)
    nib.save(image, path)
    return path


def mask_of(ct, grid="sform"):
    """The header of a mask written for the CT."""
    volume = open_nifti(ct, grid).read()
    mask = ct.with_name("mask.nii.gz")
    write_label_nifti(mask, volume.with_array((volume.array % 4).astype(np.uint8)), LUNG_LABELS)
    return nib.load(mask).header


def itk_place(path):
    image = sitk.ReadImage(str(path))
    return [image.TransformIndexToPhysicalPoint(index) for index in ((0, 0, 0), (5, 0, 0), (0, 4, 0), (5, 4, 3))]


@pytest.mark.parametrize("codes", list(itertools.product((0, 1, 2, 4), repeat=2)))
@pytest.mark.parametrize("grid", ["sform", "qform"])
def test_the_form_that_counts_and_the_mask_in_its_place(tmp_path, said, codes, grid):
    ct = save(tmp_path / "ct.nii.gz", LEFT, RIGHT, codes)
    qcode, scode = codes
    by_qform = qcode > 0 and (grid == "qform" or scode == 0)
    if qcode or scode:
        np.testing.assert_allclose(open_nifti(ct, grid).stored_grid.affine, LEFT if by_qform else RIGHT, atol=1e-6)
    mask = mask_of(ct, grid)
    source = nib.load(ct).header
    for field in (*PLACEMENT, *ROWS):
        assert mask[field].tobytes() == source[field].tobytes(), field
    assert mask["pixdim"][:4].tobytes() == source["pixdim"][:4].tobytes()
    np.testing.assert_allclose(itk_place(ct.with_name("mask.nii.gz")), itk_place(ct), atol=1e-6)
    differ = qcode > 0 and scode > 0
    assert ("4 mm apart, mirrored" in said.text) == differ  # x: -2 to 1.5 mm by one form, 2 to -1.5 by the other
    assert ("neither qform nor sform" in said.text) == (codes == (0, 0))


def test_the_warning_says_which_form_counts_where(tmp_path, said):
    open_nifti(save(tmp_path / "a.nii", LEFT, RIGHT, (1, 2)))
    assert "sform (code 2, axes RAS) and qform (code 1, axes LAS)" in said.text
    assert "here the sform counts, in ITK and 3D Slicer the qform; grid=qform chooses the other" in said.text
    said.clear()
    open_nifti(save(tmp_path / "b.nii", LEFT, RIGHT, (1, 1)), "qform")
    assert "here the qform counts, in ITK and 3D Slicer the sform; grid=sform chooses the other" in said.text
    said.clear()
    moved = RIGHT.copy()
    moved[2, 3] += 12
    open_nifti(save(tmp_path / "c.nii", moved, RIGHT, (1, 2)))
    assert "up to 12 mm apart, not mirrored" in said.text


@pytest.mark.parametrize("angles", [(0, 0, 0), (20, 0, 0), (15, -25, 40)])
def test_forms_that_agree_to_rounding_are_silent(tmp_path, said, angles):
    affine = RIGHT.copy()
    affine[:3, :3] = Rotation.from_euler("xyz", angles, degrees=True).as_matrix() * (0.703125, 0.8, -2.5)
    ct = save(tmp_path / "ct.nii", affine, affine, (1, 2))
    mask_of(ct)
    assert said.text == ""


@pytest.mark.parametrize(("unit", "factor"), [("meter", 1e-3), ("micron", 1e3), ("unknown", 1.0), ("mm", 1.0)])
@pytest.mark.parametrize("codes", [(1, 0), (0, 1), (1, 1), (2, 4)])
def test_lengths_are_converted_to_millimetres_as_itk_does(tmp_path, said, unit, factor, codes):
    scaled = RIGHT.copy()
    scaled[:3] *= factor
    ct = save(tmp_path / "ct.nii.gz", scaled, scaled, codes, unit)
    grid = open_scan(ct).stored_grid
    np.testing.assert_allclose(grid.affine, RIGHT, atol=1e-4)
    np.testing.assert_allclose(grid.spacing_mm, sitk.ReadImage(str(ct)).GetSpacing(), atol=1e-6)
    left, back, up = itk_place(ct)[3]
    np.testing.assert_allclose((grid.affine @ (5, 4, 3, 1))[:3], (-left, -back, up), atol=1e-4)
    assert (f"lengths in {unit}; converted to mm" in said.text) == (unit in ("meter", "micron"))
    mask = mask_of(ct)
    assert mask.get_xyzt_units()[0] == unit
    np.testing.assert_allclose(itk_place(ct.with_name("mask.nii.gz")), itk_place(ct), atol=1e-6)


@pytest.mark.parametrize("unit", ["meter", "micron"])
def test_a_wrong_unit_is_refused_by_its_spacing(tmp_path, unit):
    with pytest.raises(InputError, match=r"ct\.nii: voxels of a CT lie 0\.05 to 50 mm apart, found a spacing of"):
        open_scan(save(tmp_path / "ct.nii", unit=unit))


def test_nifti_2_keeps_its_codes(tmp_path):
    ct = save(tmp_path / "ct.nii", LEFT, LEFT, (1, 4), image_class=nib.Nifti2Image)
    mask = mask_of(ct)
    assert (int(mask["qform_code"]), int(mask["sform_code"])) == (1, 4)
    np.testing.assert_allclose(mask.get_sform(), LEFT, atol=1e-6)
    np.testing.assert_allclose(mask.get_qform(), LEFT, atol=1e-6)


def sheared():
    affine = RIGHT.copy()
    affine[1, 2] = 0.6
    return affine


def test_only_a_qform_that_cannot_express_the_axes_is_replaced(tmp_path, said):
    ct = save(tmp_path / "ct.nii", RIGHT, sheared(), (0, 2))
    mask = mask_of(ct)
    assert (int(mask["qform_code"]), int(mask["sform_code"])) == (1, 2)
    assert "mask.nii.gz: the axes are not orthogonal, which a qform cannot represent: replaced by the" in said.text
    np.testing.assert_allclose(mask.get_sform(), sheared(), atol=1e-6)
    axes = mask.get_qform()[:3, :3] / np.linalg.norm(sheared()[:3, :3], axis=0)
    np.testing.assert_allclose(axes.T @ axes, np.eye(3), atol=1e-6)


@pytest.mark.parametrize("value", [2.0, np.nan])
def test_a_damaged_qform_is_replaced(tmp_path, said, value):
    def spoil(header):
        header["quatern_b"] = value

    ct = save(tmp_path / "ct.nii", change=spoil)
    np.testing.assert_allclose(read_volume(ct).stored_grid.affine, RIGHT, atol=1e-6)
    assert "the header's qform (code 1) is damaged" in said.text
    mask = mask_of(ct)
    assert "the qform of the source is damaged: replaced by the nearest rigid one" in said.text
    np.testing.assert_allclose(mask.get_qform(), RIGHT, atol=1e-6)
    assert (int(mask["qform_code"]), int(mask["sform_code"])) == (1, 1)


def test_a_damaged_sform_is_refused_and_the_qform_offered(tmp_path):
    ct = save(tmp_path / "ct.nii")
    raw = bytearray(ct.read_bytes())
    raw[312:328] = bytes(16)  # srow_z
    ct.write_bytes(raw)
    with pytest.raises(InputError, match=r"ct\.nii: the header's sform cannot be used: .*; grid=qform reads it"):
        open_nifti(ct)
    np.testing.assert_allclose(open_nifti(ct, "qform").stored_grid.affine, RIGHT, atol=1e-6)


@pytest.mark.parametrize("code", [2, 10, 66, 5, 7, 255, 0])
def test_any_code_of_units_is_read(tmp_path, code):
    """Millimetres with any unit of time; codes that the format does not define are lengths of unknown unit, mm."""
    ct = save(tmp_path / "ct.nii")
    raw = bytearray(ct.read_bytes())
    raw[123] = code
    ct.write_bytes(raw)
    np.testing.assert_allclose(open_nifti(ct).stored_grid.affine, RIGHT, atol=1e-6)
    assert int(mask_of(ct)["xyzt_units"]) == code


def test_a_qform_that_is_kept_is_not_called_the_nearest(tmp_path, said):
    ct = save(tmp_path / "ct.nii", LEFT, sheared(), (1, 2))
    said.clear()
    mask = mask_of(ct)
    np.testing.assert_allclose(mask.get_qform(), LEFT, atol=1e-6)
    assert "mirrored" in said.text
    assert "nearest" not in said.text


def patched(path, *changes):
    """The CT with numbers written into its raw header: (offset, format, value)."""
    raw = bytearray(save(path).read_bytes())
    for offset, kind, value in changes:
        struct.pack_into(kind, raw, offset, value)
    path.write_bytes(raw)
    return path


@pytest.mark.parametrize(
    "changes",
    [
        [(76, "<f", -3.0)],  # pixdim[0]: -1 for other programs
        [(76, "<f", 0.0)],
        [(76, "<f", -3.0), (254, "<h", 0)],  # without sform
        [(252, "<h", 6), (254, "<h", 0)],  # a qform_code that the format does not define
    ],
)
def test_headers_that_nibabel_repairs_are_read_as_other_programs_do(tmp_path, changes):
    ct = patched(tmp_path / "ct.nii", *changes)
    mask = mask_of(ct)
    source = ct.read_bytes()[76:92], ct.read_bytes()[252:328]
    raw = gzip.decompress(ct.with_name("mask.nii.gz").read_bytes())
    assert (raw[76:92], raw[252:328]) == source
    np.testing.assert_allclose(itk_place(ct.with_name("mask.nii.gz")), itk_place(ct), atol=1e-6)
    if int(mask["sform_code"]) == 0:
        left, back, up = itk_place(ct)[3]
        np.testing.assert_allclose(
            (open_nifti(ct).stored_grid.affine @ (5, 4, 3, 1))[:3], (-left, -back, up), atol=1e-5
        )


@pytest.mark.parametrize("offset", [0.0, 300.0])
def test_voxels_within_the_header_are_refused(tmp_path, offset):
    with pytest.raises(InputError, match=r"ct\.nii: .*(vox_offset must be at least 352, found 0|vox offset 300)"):
        open_nifti(patched(tmp_path / "ct.nii", (108, "<f", offset)))


def test_bytes_behind_a_gzip_file_are_ignored(tmp_path):
    ct, stored = tmp_path / "ct.nii.gz", np.arange(4096, dtype=np.int16).reshape(16, 16, 16)
    nib.save(nib.Nifti1Image(stored, np.eye(4)), ct)
    ct.write_bytes(ct.read_bytes() + b"garbage")
    np.testing.assert_array_equal(read_volume(ct).array, stored)


def test_a_suffix_in_mixed_case_is_refused_by_its_reason(tmp_path):
    ct = save(tmp_path / "ct.nii")
    ct = ct.rename(tmp_path / "ct.Nii")
    with pytest.raises(InputError, match=r"ct\.Nii: a NIfTI file ends in \.nii or \.nii\.gz, .*; rename the file"):
        open_nifti(ct)
