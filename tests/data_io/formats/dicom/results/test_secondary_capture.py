"""Pictures as secondary captures."""

import shutil
import subprocess

import numpy as np
import pytest
import SimpleITK as sitk
from pydicom import dcmread

from pneumoseg.data_io.formats.dicom.results import secondary_capture
from pneumoseg.data_io.formats.dicom.results.round_trip import UnfaithfulFile
from pneumoseg.data_io.formats.dicom.results.secondary_capture import write_captures
from pneumoseg.data_io.formats.dicom.results.source import source_of
from tests.data_io.formats.dicom.results.series_with_mask import ORIGIN, series

PICTURES = [np.random.default_rng(seed).integers(0, 256, (7, 5, 3), np.uint8) for seed in range(3)]


@pytest.fixture
def source(tmp_path):
    return source_of(series(tmp_path / "ct", StudyDate="20200101", StudyTime="120000", StudyID="1").stored_grid)


def test_pictures_are_read_by_simpleitk_in_their_order(tmp_path, source):
    write_captures(tmp_path / "sc", PICTURES, source=source, origin=ORIGIN)
    files = sorted((tmp_path / "sc").iterdir())
    assert [file.name for file in files] == ["0001.dcm", "0002.dcm", "0003.dcm"]
    for file, picture in zip(files, PICTURES, strict=True):
        np.testing.assert_array_equal(sitk.GetArrayFromImage(sitk.ReadImage(file))[0], picture)
    headers = [dcmread(file) for file in files]
    assert [one.InstanceNumber for one in headers] == [1, 2, 3]
    assert len({one.SeriesInstanceUID for one in headers}) == 1
    assert len({one.SOPInstanceUID for one in headers}) == 3
    assert {(one.StudyInstanceUID, one.PatientID, tuple(one.PatientOrientation)) for one in headers} == {
        ("1.2.4", "p", ("L", "P"))
    }


def test_writing_again_replaces_all(tmp_path, source):
    write_captures(tmp_path / "sc", PICTURES, source=source, origin=ORIGIN)
    write_captures(tmp_path / "sc", PICTURES[:1], source=source, origin=ORIGIN)
    assert [file.name for file in (tmp_path / "sc").iterdir()] == ["0001.dcm"]


def test_a_picture_that_comes_back_mirrored_is_not_kept(tmp_path, source, monkeypatch):
    def read(path):
        header = dcmread(path)
        header.PixelData = header.pixel_array[:, ::-1].tobytes() + b"\0"
        return header

    monkeypatch.setattr(secondary_capture, "dcmread", read)
    with pytest.raises(UnfaithfulFile, match="picture 1 read back is not the one that was drawn"):
        write_captures(tmp_path / "sc", PICTURES, source=source, origin=ORIGIN)
    assert not (tmp_path / "sc").exists()


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dciodvfy (Debian's dicom3tools) is not installed")
def test_the_standard_holds(tmp_path, source):
    write_captures(tmp_path / "sc", PICTURES[:1], source=source, origin=ORIGIN)
    found = subprocess.run(["dciodvfy", str(tmp_path / "sc/0001.dcm")], capture_output=True, text=True, check=False)
    assert "Error" not in found.stderr + found.stdout
