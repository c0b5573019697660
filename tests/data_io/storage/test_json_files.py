"""JSON of others is read as what it must be, or refused in one line."""

import json
import resource
import time

import pytest

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.storage.json_files import parse_json, read_json


def test_content_is_given_back(tmp_path):
    path = tmp_path / "a.json"
    path.write_text('\ufeff{"dice": 0.5, "cases": ["Zürich", null, -7e-3]}', encoding="utf-8")
    assert read_json(path, "a summary", dict) == {"dice": 0.5, "cases": ["Zürich", None, -0.007]}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not readable as JSON"),
        ('{"a": 1', "not readable as JSON"),
        ("[1]", "is an object, found a list"),
        ("null", "is an object, found a single value"),
        ('{"a": NaN}', "NaN is not a number"),
        ('{"a": -Infinity}', "Infinity is not a number"),
        ('{"a": 1e999}', "1e999 is too large"),
        (f'{{"a": {"9" * 5000}}}', "4300 digits"),
        ("[" * 100_000, "at most 50 levels"),
        (f'{{"a": {"[" * 60}{"]" * 60}}}', "at most 50 levels"),
    ],
)
def test_what_is_no_such_json_is_refused(tmp_path, text, message):
    path = tmp_path / "a.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=message) as caught:
        read_json(path, "a summary", dict)
    assert str(path) in str(caught.value)
    assert len(str(caught.value)) < 500 + len(str(path))


def test_missing_binary_and_large_files_are_refused(tmp_path):
    path = tmp_path / "a.json"
    with pytest.raises(InputError, match="no such file; a summary is needed there"):
        read_json(path, "a summary", dict)
    path.write_bytes(b'{"a": "\xff"}')
    with pytest.raises(InputError, match="other bytes at 7"):
        read_json(path, "a summary", dict)
    path.write_text(json.dumps(["x" * 2000]), encoding="utf-8")
    with pytest.raises(InputError, match=r"at most 0\.001 MB"):
        read_json(path, "a summary", list, largest_bytes=1000)


def test_a_file_of_gigabytes_takes_neither_memory_nor_time(tmp_path):
    with open(tmp_path / "a.json", "wb") as file:
        file.truncate(8 << 30)
    before, started = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
    with pytest.raises(InputError, match="at most 64 MB"):
        read_json(tmp_path / "a.json", "a summary", dict)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000
    assert time.monotonic() - started < 10


def test_bytes_that_are_no_utf_8_are_refused():
    with pytest.raises(InputError, match=r"model\.keras: not readable as JSON"):
        parse_json(b'{"a": "\xff"}', "model.keras", "settings", kind=dict)
