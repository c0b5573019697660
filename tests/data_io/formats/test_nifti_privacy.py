"""NIfTI headers without text; voxels and geometry as they were."""

import gzip
import io

import nibabel as nib
import numpy as np
import pytest

from pneumoseg.data_io.formats.nifti_privacy import NotNiftiError, write_without_identity

TEXT = b"Zyxwvut^Quentin"


def planted(path, kind=nib.Nifti1Image, order="<"):
    """An image with an identity in each field and extension, and behind its voxels."""
    array = np.arange(24, dtype=f"{order}i2").reshape(2, 3, 4)
    affine = np.array([[-0.7, 0.1, 0, 5], [0, 0.8, 0, -6], [0, 0, 2.5, 7], [0, 0, 0, 1]])
    image = kind(array, affine, kind.header_class(endianness=order))
    image.header.set_xyzt_units("mm")
    image.header.set_qform(affine, 1)
    image.header.set_sform(affine, 2)
    image.header.set_slope_inter(2, -1)
    for field in ("descrip", "aux_file", "intent_name", "db_name", "data_type"):
        if field in image.header.structarr.dtype.names:
            image.header[field] = TEXT[:10]
    image.header.extensions.append(nib.nifti1.Nifti1Extension("comment", TEXT))
    nib.save(image, path)
    if str(path).endswith(".nii"):
        path.write_bytes(path.read_bytes() + TEXT)
    return path


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
@pytest.mark.parametrize("kind", [nib.Nifti1Image, nib.Nifti2Image])
@pytest.mark.parametrize("order", ["<", ">"])
def test_text_goes_and_voxels_and_geometry_stay(tmp_path, name, kind, order):
    source, target = planted(tmp_path / name, kind, order), tmp_path / f"out-{name}"
    with open(source, "rb") as file:
        write_without_identity(file, target, zipped=name.endswith(".gz"))
    content = gzip.decompress(target.read_bytes()) if name.endswith(".gz") else target.read_bytes()
    assert b"Zyxwvut"[:5] not in content and b"out-" not in target.read_bytes()
    before, after = nib.load(source), nib.load(target)
    assert after.header.extensions == []
    np.testing.assert_array_equal(np.asarray(after.dataobj), np.asarray(before.dataobj))
    assert after.header.endianness == order
    for field in after.header.structarr.dtype.names:
        if field not in ("descrip", "aux_file", "intent_name", "db_name", "data_type", "vox_offset"):
            np.testing.assert_array_equal(after.header[field], before.header[field])


def test_a_gzip_header_holds_neither_name_nor_time(tmp_path):
    with open(planted(tmp_path / "Zyxwvut.nii.gz"), "rb") as file:
        write_without_identity(file, tmp_path / "out.nii.gz", zipped=True)
    head = (tmp_path / "out.nii.gz").read_bytes()[:10]
    assert head[:4] == b"\x1f\x8b\x08\0"
    assert head[4:8] == bytes(4)


@pytest.mark.parametrize("cut", [3, 200, 380])
def test_cut_and_other_files_are_refused(tmp_path, cut):
    content = planted(tmp_path / "a.nii").read_bytes()[:cut]
    with pytest.raises(NotNiftiError):
        write_without_identity(io.BytesIO(content), tmp_path / "out.nii", zipped=False)
    with pytest.raises(NotNiftiError):
        write_without_identity(io.BytesIO(b"no gzip" * 100), tmp_path / "out.nii", zipped=True)
    with pytest.raises(NotNiftiError):
        write_without_identity(io.BytesIO(b"no NIfTI" * 100), tmp_path / "out.nii", zipped=False)


@pytest.mark.parametrize(
    "at, kind, value",
    [(40, "<i2", 99), (42, "<i2", -2), (42, "<i2", 30_000), (70, "<i2", 999), (108, "<f4", np.inf), (108, "<f4", 8)],
)
def test_headers_that_cannot_be_are_refused(tmp_path, at, kind, value):
    content = bytearray(planted(tmp_path / "a.nii").read_bytes())
    changed = np.array(value, kind).tobytes()
    content[at : at + len(changed)] = changed
    with pytest.raises(NotNiftiError):
        write_without_identity(io.BytesIO(bytes(content)), tmp_path / "out.nii", zipped=False)


def test_a_wrong_checksum_is_refused(tmp_path):
    content = bytearray(planted(tmp_path / "a.nii.gz").read_bytes())
    content[-6] ^= 1
    with pytest.raises(NotNiftiError):
        write_without_identity(io.BytesIO(bytes(content)), tmp_path / "out.nii.gz", zipped=True)
    content[-6] ^= 1
    write_without_identity(io.BytesIO(bytes(content) + b"Zyxwvut"), tmp_path / "out.nii.gz", zipped=True)


def test_a_header_of_a_pair_is_refused(tmp_path):
    nib.save(nib.Nifti1Pair(np.zeros((2, 2, 2), np.int16), np.eye(4)), tmp_path / "a.hdr")
    with open(tmp_path / "a.hdr", "rb") as file, pytest.raises(NotNiftiError):
        write_without_identity(file, tmp_path / "out.nii", zipped=False)
