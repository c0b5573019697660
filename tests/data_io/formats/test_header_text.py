from pathlib import Path

import pytest

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.header_text import HEADER_BYTES, LINE_BYTES, HeaderText, field_key, header_lines, shown

PATH = Path("scan.nrrd")


def text(**fields) -> HeaderText:
    return HeaderText(PATH, fields, None, (), end_byte=0)


def test_fields_are_named_without_regard_to_case_and_blanks():
    assert field_key("Space Directions") == "spacedirections"
    assert text(byteskip="7").value("byte skip") == "7"
    assert text().value("byte skip", "0") == "0"
    with pytest.raises(InputError, match=r"^scan\.nrrd: .*the header has no byte skip"):
        text().value("byte skip")


def test_numbers():
    header = text(dimension="3", sizes="3 4 5", spacings="0.7 1e2 -3")
    assert header.integer("dimension", least=1, most=4) == 3
    assert header.sizes("sizes", 3) == (3, 4, 5)
    assert header.millimetres("spacings", 3) == (0.7, 100.0, -3.0)


@pytest.mark.parametrize("value", ["", "x", "1.5", "0", "5", "1 2", "nan"])
def test_an_integer_outside_its_limits_is_refused(value):
    with pytest.raises(InputError, match=r"dimension must be a whole number, 1\.\.4, found"):
        text(dimension=value).integer("dimension", least=1, most=4)


@pytest.mark.parametrize("value", ["", "1 2", "1 2 3 4"])
def test_another_number_of_sizes_is_refused(value):
    with pytest.raises(InputError, match=f"sizes must give 3 numbers, found '{value}'"):
        text(sizes=value).sizes("sizes", 3)


@pytest.mark.parametrize("value", ["", "1 2", "1 2 x", "1 2 nan", "1 2 inf", "1 2 1e10"])
def test_lengths_that_are_not_finite_are_refused(value):
    with pytest.raises(InputError, match=f"spacings must be 3 finite numbers, found '{value}'"):
        text(spacings=value).millimetres("spacings", 3)


def test_long_values_are_shortened_in_messages():
    assert shown("a" * 60) == repr("a" * 60)
    assert shown("a" * 61) == repr("a" * 60 + "...")


def test_lines_without_their_ends(tmp_path):
    path = tmp_path / "h"
    path.write_bytes(b"one\r\ntwo \n\nfour")
    with path.open("rb") as file:
        assert list(header_lines(file, path)) == ["one", "two ", "", "four"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"x" * (LINE_BYTES + 1), "lines of at most"),
        (b"x\n" * (HEADER_BYTES // 2 + 1), "headers of at most"),
        (b"a\0b\n", "no text"),
    ],
)
def test_lines_beyond_the_limits_are_refused(tmp_path, content, message):
    path = tmp_path / "h"
    path.write_bytes(content)
    with path.open("rb") as file, pytest.raises(InputError, match=message):
        list(header_lines(file, path))
