"""Zip archives that are refused by their list of entries."""

import io
import struct
import zipfile

import pytest

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.phantoms.dicom_series import write_series
from pneumoseg.evaluation.jobs import archives
from pneumoseg.evaluation.jobs.archives import check_archive
from tests.evaluation.jobs.uploads import nifti_bytes, patient, zip_of, zip_of_folder


def refusal(path) -> str:
    with pytest.raises(InputError) as refused:
        check_archive(path)
    return str(refused.value)


def test_archives_that_may_be_unpacked(tmp_path):
    assert check_archive(zip_of_folder(tmp_path / "a", write_series(tmp_path / "ct", patient())))
    assert not check_archive(zip_of(tmp_path / "b", {"ct.nii.gz": nifti_bytes(), "__MACOSX/._ct.zip": b"x"}))


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "C:\\x.dcm", "a/../../b", "..\\b"])
def test_names_that_lead_out(tmp_path, name):
    assert "would be written outside the folder" in refusal(zip_of(tmp_path / "a", {name: b"x"}))


def test_links_encryption_and_zips_within(tmp_path):
    assert "is a link or device" in refusal(zip_of(tmp_path / "a", {"l": b"/etc/passwd"}, links=["l"]))
    assert "is encrypted" in refusal(zip_of(tmp_path / "b", {"ct.nii.gz": b"x" * 50}, encrypted=True))
    inner = io.BytesIO()
    zipfile.ZipFile(inner, "w").close()
    assert "holds zip archives" in refusal(zip_of(tmp_path / "c", {"a/b.ZIP": inner.getvalue()}))


def test_bombs(tmp_path, monkeypatch):
    assert "more than 100 times as much" in refusal(zip_of(tmp_path / "a", {"ct.nii": bytes(5_000_000)}))
    monkeypatch.setattr(archives, "MOST_ENTRIES", 10)
    assert "at most 10 files, found 11" in refusal(zip_of(tmp_path / "b", {f"{number}": b"" for number in range(11)}))
    monkeypatch.setattr(archives, "MOST_LIST_BYTES", 100)
    assert "found more" in refusal(zip_of(tmp_path / "c", {f"{number}": b"" for number in range(5)}))


def test_a_long_list_in_a_large_archive_is_not_read(tmp_path):
    path = tmp_path / "a"
    place = struct.pack("<4sIQI", b"PK\x06\x07", 0, 4, 1)
    record = struct.pack("<4sQHHIIQQQQ", b"PK\x06\x06", 44, 45, 45, 0, 0, 1, 1, 1 << 40, 0)
    path.write_bytes(b"PK\x03\x04" + record + place + struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, 1, 1, 46, 0, 0))
    assert "found more" in refusal(path)
    path.write_bytes(path.read_bytes().replace(b"PK\x06\x06", b"PK\x00\x00"))
    assert "damaged" in refusal(path)


def test_damage(tmp_path):
    whole = zip_of(tmp_path / "a", {"ct.nii.gz": nifti_bytes()}).read_bytes()
    for number, content in enumerate((whole[:-30], whole[:200], b"PK\x03\x04", whole[:40] + bytes(80) + whole[120:])):
        path = tmp_path / f"{number}"
        path.write_bytes(content)
        if number == 3:  # found when it is unpacked
            continue
        assert "damaged or truncated" in refusal(path)
    zipfile.ZipFile(tmp_path / "e", "w").close()
    assert "holds no file" in refusal(tmp_path / "e")
