"""Archives are unpacked whole or not at all; hostile and damaged ones are refused."""

import io
import shutil
import stat
import zipfile

import pytest

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.storage import zip_files
from pneumoseg.data_io.storage.zip_files import unpack_zip, unzipped


def zipped(entries):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_unpacking(tmp_path):
    (tmp_path / "a.zip").write_bytes(zipped({"top/": b"", "top/one.nii.gz": b"1", "two.nii.gz": b"2"}))
    unpack_zip(tmp_path / "a.zip", tmp_path / "a")
    assert (tmp_path / "a" / "top" / "one.nii.gz").read_bytes() == b"1"
    assert (tmp_path / "a" / "two.nii.gz").read_bytes() == b"2"
    assert names(tmp_path) == ["a", "a.zip"]


def test_existing_folder_is_kept_unless_asked(tmp_path):
    (tmp_path / "a.zip").write_bytes(zipped({"new": b"1"}))
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "old").touch()
    with pytest.raises(InputError, match="exists already"):
        unpack_zip(tmp_path / "a.zip", tmp_path / "a")
    assert names(tmp_path / "a") == ["old"]
    unpack_zip(tmp_path / "a.zip", tmp_path / "a", overwrite=True)
    assert names(tmp_path / "a") == ["new"]


def link():
    entry = zipfile.ZipInfo("link")
    entry.external_attr = (stat.S_IFLNK | 0o777) << 16
    return entry


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"../evil": b"1"}, "outside the folder"),
        ({"good": b"1", "a/../../evil": b"1"}, "outside the folder"),
        ({"/evil": b"1"}, "outside the folder"),
        ({"..\\evil": b"1"}, "outside the folder"),
        ({"C:\\evil": b"1"}, "outside the folder"),
        ({link(): b"/etc/passwd"}, "a link or device"),
        ({"bomb": bytes(2_000_000)}, "more than 100 times"),
    ],
)
def test_hostile_archives_are_not_unpacked(tmp_path, entries, message):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.zip").write_bytes(zipped(entries))
    with pytest.raises(InputError, match=rf"a\.zip: .*{message}"):
        unpack_zip(tmp_path / "in" / "a.zip", tmp_path / "in" / "a")
    assert names(tmp_path) == ["in"]
    assert names(tmp_path / "in") == ["a.zip"]


@pytest.mark.parametrize(
    "spoil", [lambda raw: b"no zip", lambda raw: raw[:-30], lambda raw: raw.replace(b"voxels", b"vexels")]
)
def test_damaged_archive_leaves_nothing(tmp_path, spoil):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("one", b"voxels")
    (tmp_path / "a.zip").write_bytes(spoil(buffer.getvalue()))
    with pytest.raises(InputError, match=r"a\.zip: not a readable zip archive"):
        unpack_zip(tmp_path / "a.zip", tmp_path / "a")
    assert names(tmp_path) == ["a.zip"]


def test_damaged_compression_leaves_nothing(tmp_path):
    raw = bytearray(zipped({"one": b"voxels"}))
    raw[30 + len("one")] |= 0b110  # the local header ends here: a deflate block of the type that does not exist
    (tmp_path / "a.zip").write_bytes(raw)
    with pytest.raises(InputError, match=r"a\.zip: not a readable zip archive \(Error -3"):
        unpack_zip(tmp_path / "a.zip", tmp_path / "a")
    assert names(tmp_path) == ["a.zip"]


@pytest.mark.parametrize("method", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_damage_of_other_compressions_is_named_too(tmp_path, method):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        archive.writestr("one", bytes(range(256)) * 8)
    raw = bytearray(buffer.getvalue())
    raw[60:100] = bytes(40)
    (tmp_path / "a.zip").write_bytes(raw)
    with pytest.raises(InputError, match=r"a\.zip: not a readable zip archive"):
        unpack_zip(tmp_path / "a.zip", tmp_path / "a")
    assert names(tmp_path) == ["a.zip"]


def test_a_full_disk_is_noticed_first(tmp_path, monkeypatch):
    (tmp_path / "a.zip").write_bytes(zipped({"one": b"voxels"}))
    monkeypatch.setattr(zip_files.shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 5, 5))
    with pytest.raises(InputError, match=r"a\.zip: unpacked it needs 6 bytes, found 5 free on the disk"):
        unpack_zip(tmp_path / "a.zip", tmp_path / "a")
    assert names(tmp_path) == ["a.zip"]


def test_an_archive_for_a_while(tmp_path):
    (tmp_path / "a.zip").write_bytes(zipped({"one": b"voxels"}))
    with unzipped(tmp_path / "a.zip") as folder:
        assert (folder.name, names(folder)) == ("a", ["one"])
    assert not folder.exists()
    for other in (tmp_path, tmp_path / "nothing"):
        with unzipped(other) as same:
            assert same == other
