"""Dates moved by days."""

import pytest

from pneumoseg.data_io.formats.dicom.deidentification.dates import shifted


@pytest.mark.parametrize(
    "text, vr, days, expected",
    [
        ("20200301", "DA", 1, "20200229"),
        ("2020.03.01", "DA", 366, "20190301"),
        ("20200301\\20200302", "DA", 1, "20200229\\20200301"),
        ("", "DA", 1, ""),
        ("101112.345", "TM", 5, "101112.345"),
        ("10:11:12", "TM", 5, "10:11:12"),
        ("20200301101112.345678-0500", "DT", 30, "20200131101112.345678-0500"),
        ("20200301", "DT", 1, "20200229"),
        ("202003", "DT", 1, None),
        ("20200230", "DA", 1, None),
        ("born in 1941", "DA", 1, None),
        ("20200301-20200401", "DA", 1, None),
        ("25 o'clock", "TM", 1, None),
        ("00010101", "DA", 1, None),
    ],
)
def test_dates_move_and_times_stay(text, vr, days, expected):
    assert shifted(text, vr, days) == expected
