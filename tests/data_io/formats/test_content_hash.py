"""Hashes that change when the voxels do, wherever these lie."""

import hashlib

import numpy as np
import pytest
import SimpleITK as sitk

from pneumoseg.data_io.formats.content_hash import sha256_of


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize("name", ["ct.nii.gz", "ct.nrrd", "ct.mha", "model.keras"])
def test_a_single_file_has_the_hash_of_its_bytes(tmp_path, name):
    if name.endswith((".nrrd", ".mha")):
        sitk.WriteImage(sitk.GetImageFromArray(np.full((2, 3, 4), 10, np.uint8)), str(tmp_path / name))
    else:
        (tmp_path / name).write_bytes(b"content")
    assert sha256_of(tmp_path / name) == sha256((tmp_path / name).read_bytes())


def test_a_folder_has_the_hash_of_its_files_hashes_in_the_order_of_names(tmp_path):
    (tmp_path / "b").write_bytes(b"2")
    (tmp_path / "a").write_bytes(b"1")
    (tmp_path / "below").mkdir()
    expected = sha256(f"{sha256(b'1')}{sha256(b'2')}".encode())
    assert sha256_of(tmp_path) == expected
    (tmp_path / ".DS_Store").write_bytes(b"left by a file browser")
    assert sha256_of(tmp_path) == expected


@pytest.mark.parametrize("suffix", [".mhd", ".nhdr"])
def test_voxels_beside_their_header_count(tmp_path, suffix):
    sitk.WriteImage(sitk.GetImageFromArray(np.zeros((2, 3, 4), np.uint8)), str(tmp_path / f"mask{suffix}"))
    before = sha256_of(tmp_path / f"mask{suffix}")
    (tmp_path / "mask.raw").write_bytes(bytes([1]) * 24)
    assert sha256_of(tmp_path / f"mask{suffix}") != before


@pytest.mark.parametrize(
    ("name", "header"),
    [
        ("ct.mhd", "ObjectType = Image\nElementDataFile = parts/1 a.raw\n"),
        ("ct.MHD", "ObjectType = Image\r\nElementDataFile = LIST\r\nparts/1 a.raw\r\nother.raw\r\n"),
        ("ct.mhd", "ObjectType = Image\nElementDataFile = LIST 2\nparts/1 a.raw\n"),
        ("ct.mhd", "ElementDataFile = parts/%d*.raw 1 2 1\n"),
        ("ct.mhd", "ElementDataFile = parts/slice[%03d].raw 1 2 1\n"),
        ("ct.nhdr", "NRRD0004\ntype: short\ndata file: parts/1 a.raw\n"),
        ("ct.nrrd", "NRRD0004\r\ndatafile: ./parts/1 a.raw\r\n"),
        ("ct.nhdr", "NRRD0004\ndata file: LIST\nother.raw\nparts/1 a.raw"),
        ("ct.nhdr", "NRRD0004\ndata file: parts/slice[%03d].raw 1 2 1\n"),
    ],
)
def test_every_file_that_a_header_names_counts(tmp_path, name, header):
    (tmp_path / "parts").mkdir()
    changed = ["1 a.raw", "1*.raw", "slice[001].raw"]
    for part in changed:
        (tmp_path / "parts" / part).write_bytes(b"voxels")
    (tmp_path / "other.raw").write_bytes(b"voxels")
    (tmp_path / "beside.raw").write_bytes(b"of another image")
    (tmp_path / name).write_bytes(header.encode())
    before = sha256_of(tmp_path / name)
    (tmp_path / "beside.raw").write_bytes(b"changed")
    assert sha256_of(tmp_path / name) == before
    for part in changed:
        (tmp_path / "parts" / part).write_bytes(b"mended")
    assert sha256_of(tmp_path / name) != before


def test_voxels_that_read_like_a_header_name_nothing(tmp_path):
    (tmp_path / "other.raw").write_bytes(b"voxels")
    for name, content in (
        ("a.nrrd", b"NRRD0004\nencoding: raw\n\ndata file: other.raw\n"),
        ("a.mha", b"ElementDataFile = LOCAL\nElementDataFile = other.raw\n"),
    ):
        (tmp_path / name).write_bytes(content)
        assert sha256_of(tmp_path / name) == sha256(content)


def test_a_header_whose_voxels_are_missing_has_a_hash_too(tmp_path):
    (tmp_path / "ct.mhd").write_bytes(b"ElementDataFile = gone.raw\n")
    assert sha256_of(tmp_path / "ct.mhd") == sha256(b"ElementDataFile = gone.raw\n")
