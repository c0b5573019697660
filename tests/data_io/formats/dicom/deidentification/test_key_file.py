"""Secrets: kept for their owner, and what follows from them."""

import os
import stat

import pytest

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.dicom.deidentification.key_file import Key, fresh_key, read_or_make_key
from pneumoseg.data_io.formats.dicom.uids import is_valid_uid

KEY, OTHER = Key(b"a" * 32), Key(b"b" * 32)


def test_a_key_gives_the_same_and_another_key_another():
    assert KEY.uid("1.2.3") == KEY.uid("1.2.3") != OTHER.uid("1.2.3")
    assert KEY.pseudonym("id", "x") == KEY.pseudonym("id", "x") != OTHER.pseudonym("id", "x")
    assert len({KEY.pseudonym("id", str(number)) for number in range(1000)}) == 1000
    assert KEY.uid("ab", "c") != KEY.uid("a", "bc")
    assert is_valid_uid(KEY.uid("1.2.3"))
    assert all(365 <= KEY.days(str(number)) <= 3650 for number in range(100))


def test_a_key_does_not_show_its_secret():
    assert "aaaa" not in repr(KEY)
    assert fresh_key() != fresh_key()


def test_a_new_file_is_for_its_owner_alone_and_read_again(tmp_path):
    key, made = read_or_make_key(tmp_path / "key")
    assert made
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600
    assert read_or_make_key(tmp_path / "key") == (key, False)


def test_files_that_are_no_keys_are_refused(tmp_path):
    file = tmp_path / "key"
    file.write_text("a" * 63)
    file.chmod(0o600)
    with pytest.raises(InputError, match="64 hexadecimal"):
        read_or_make_key(file)
    file.write_text("a" * 64)
    file.chmod(0o644)
    with pytest.raises(InputError, match="found mode 0644"):
        read_or_make_key(file)
    with pytest.raises(InputError, match="a key is a file"):
        read_or_make_key(tmp_path)
    with pytest.raises(InputError, match="must exist"):
        read_or_make_key(tmp_path / "none" / "key")
    assert os.listdir(tmp_path) == ["key"]
