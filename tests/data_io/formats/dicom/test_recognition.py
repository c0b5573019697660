"""Which files are DICOM by their name and by their first bytes."""

from pathlib import Path

import numpy as np
import pytest
from pydicom.uid import MediaStorageDirectoryStorage

from pneumoseg.data_io.formats.dicom.header import read_slice
from pneumoseg.data_io.formats.dicom.recognition import HEAD_BYTES, is_head, named_dicom, starts_like_dicom
from pneumoseg.data_io.formats.dicom.series import find_series, is_dicom
from tests.data_io.formats.dicom.dicom_files import STORED, header, save


def test_names():
    assert all(named_dicom(Path(name)) for name in ("a.dcm", "a.1.DICOM", "b/c.IMA"))
    assert not any(named_dicom(Path(name)) for name in ("dcm", "a.dcm.gz", "DICOMDIR", "a.nii"))


def test_a_file_starts_with_a_preamble_or_with_its_first_element(tmp_path):
    content = save(header((0, 0, 0)), tmp_path / "a", STORED[0]).read_bytes()
    (tmp_path / "b").write_bytes(content[132:])  # without preamble
    (tmp_path / "c").write_bytes(content[1:])
    assert starts_like_dicom(tmp_path / "a")
    assert starts_like_dicom(tmp_path / "b")
    assert not starts_like_dicom(tmp_path / "c")


@pytest.mark.parametrize("length", [0, 1, 8, 64, 127, 131])
def test_a_few_first_bytes_are_no_head(tmp_path, length):
    content = save(header((0, 0, 0)), tmp_path / "a", STORED[0]).read_bytes()[:HEAD_BYTES]
    assert is_head(content)
    assert not is_head(content[:length])


@pytest.mark.parametrize("name", ["DIRFILE", "DICOMDIR", "index.dcm"])
def test_the_list_of_a_medium_is_no_image(tmp_path, name, said):
    dataset = header((0, 0, 0), Rows=None, Columns=None, SOPClassUID=MediaStorageDirectoryStorage, Modality=None)
    dataset.file_meta.MediaStorageSOPClassUID = MediaStorageDirectoryStorage
    save(dataset, tmp_path / name, STORED[0])
    assert read_slice(tmp_path / name) is None
    assert is_dicom(tmp_path) == (name == "index.dcm")
    assert find_series(tmp_path) == []


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x08\x00",
        np.arange(8, 600, dtype=np.int16).tobytes(),
        np.full(600, 8, np.int16).tobytes(),
        b"\x02\x00" + bytes(900),
        b"\x08\x00\x05\x00CS\x0a\x00ISO_IR 100" + bytes(400),
    ],
)
def test_other_binary_files_are_no_dicom(tmp_path, content):
    (tmp_path / "a").write_bytes(content)
    assert not is_dicom(tmp_path / "a")
    assert read_slice(tmp_path / "a") is None
