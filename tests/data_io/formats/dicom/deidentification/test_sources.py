"""The files of folders and archives."""

import os
import zipfile

import pytest

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.dicom.deidentification.sources import UnreadableError, sources_of


def test_files_of_a_tree_in_the_order_of_their_paths(tmp_path):
    for name in ("b/2", "a/9", "b/1", ".hidden"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    (tmp_path / "a" / "link").symlink_to("../b/1")
    found = sources_of(tmp_path)
    assert [one.inner for one in found] == [".hidden", "a/9", "a/link", "b/1", "b/2"]
    assert [(one.folder, one.name) for one in found[:2]] == [("", ".hidden"), ("a", "9")]
    with found[2].opened() as file:
        assert file.read() == b"b/1"


def test_entries_of_an_archive(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("folder/", "")
        archive.writestr("folder/one", "x" * 100_000)
        archive.writestr("../two", "2")
    found = sources_of(tmp_path / "a.zip")
    assert [one.inner for one in found] == ["../two", "folder/one"]
    with found[1].opened() as file:
        file.seek(99_990)
        assert file.read() == b"x" * 10


def test_a_damaged_entry_is_unreadable(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("one", "Zyxwvut" * 100)
    content = (tmp_path / "a.zip").read_bytes().replace(b"ZyxwvutZyx", b"ZyxwvutAyx", 1)
    (tmp_path / "a.zip").write_bytes(content)
    with pytest.raises(UnreadableError):
        sources_of(tmp_path / "a.zip")[0].opened()


@pytest.mark.parametrize("method", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_damage_of_other_compressions_is_unreadable_too(tmp_path, method):
    with zipfile.ZipFile(tmp_path / "a.zip", "w", method) as archive:
        archive.writestr("one", bytes(range(256)) * 8)
    raw = bytearray((tmp_path / "a.zip").read_bytes())
    raw[60:100] = bytes(40)
    (tmp_path / "a.zip").write_bytes(raw)
    with pytest.raises(UnreadableError):
        sources_of(tmp_path / "a.zip")[0].opened()


def test_a_file_that_was_deleted_meanwhile_is_unreadable(tmp_path):
    (tmp_path / "one").write_text("1")
    (one,) = sources_of(tmp_path)
    (tmp_path / "one").unlink()
    with pytest.raises(UnreadableError):
        one.opened()


@pytest.mark.parametrize("target, said", [("../outside", "must not lead out"), ("nothing", "a link to nothing")])
def test_links_that_lead_out_or_to_nothing_are_refused(tmp_path, target, said):
    (tmp_path / "outside").mkdir()
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "link").symlink_to(target)
    with pytest.raises(InputError, match=said):
        sources_of(tmp_path / "in")


def test_what_is_not_there_is_refused(tmp_path):
    with pytest.raises(InputError, match="no such file or folder"):
        sources_of(tmp_path / "none")
    (tmp_path / "a.zip").write_bytes(b"PK\5\6" + bytes(18))
    assert sources_of(tmp_path / "a.zip") == []
    assert os.listdir(tmp_path) == ["a.zip"]
