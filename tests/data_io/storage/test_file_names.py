from pathlib import Path

import pytest

from pneumoseg.data_io.storage.file_names import is_utf8, name_as_text


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("café", "café"),
        ("caf\udce9", "caf\udce9"),  # Latin-1
        ("caf\udcc3\udca9", "café"),  # UTF-8, read in a locale of ASCII
        ("é\udce9\udcc3\udca9", "é\udce9é"),
        ("", ""),
    ],
)
def test_names_are_text_whatever_the_locale(name, text):
    assert name_as_text(name) == text


def test_only_names_without_stray_bytes_are_utf_8():
    assert is_utf8(Path("a/café"))
    assert not is_utf8(Path("caf\udce9/a.nii.gz"))
