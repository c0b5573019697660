"""Dates and times of DICOM (DA, DT, TM): moved by whole days, so that intervals and the time of day stay."""

import datetime
import re

DATE = re.compile(r"(\d{4})(\.?)(\d\d)\2(\d\d)", re.ASCII)  # with points in files of before 1993
TIME = re.compile(r"\d\d(?::?\d\d(?::?\d\d(?:\.\d{1,6})?)?)?", re.ASCII)
DATE_TIME = re.compile(r"(\d{8})((?:\d\d(?:\d\d(?:\d\d(?:\.\d{1,6})?)?)?)?(?:[+-]\d{4})?)", re.ASCII)
DUMMIES = {"DA": "19000101", "TM": "000000", "DT": "19000101000000"}
"""Values where one is mandatory and dates are removed."""


def shifted(text: str, vr: str, days: int) -> str | None:
    """The values (divided by backslashes) `days` earlier; of a TM as they are. None where one is no whole date or time,
    such as a year alone.

    >>> shifted("20200301", "DA", 1), shifted("20200301120000.5+0100", "DT", 2), shifted("2020", "DT", 1)
    ('20200229', '20200228120000.5+0100', None)
    """
    moved = [_shifted(value.strip(), vr, days) for value in text.split("\\")]
    return None if None in moved else "\\".join(value or "" for value in moved)


def _shifted(value: str, vr: str, days: int) -> str | None:
    if not value:
        return value
    if vr == "TM":
        return value if TIME.fullmatch(value) else None
    if vr == "DA":
        found = DATE.fullmatch(value)
        return _earlier("".join(found.group(1, 3, 4)), days) if found else None
    found = DATE_TIME.fullmatch(value)
    date = _earlier(found.group(1), days) if found else None
    return f"{date}{found.group(2)}" if found and date else None


def _earlier(date: str, days: int) -> str | None:
    try:
        moved = datetime.date(int(date[:4]), int(date[4:6]), int(date[6:])) - datetime.timedelta(days)
    except (ValueError, OverflowError):
        return None
    return f"{moved.year:04d}{moved.month:02d}{moved.day:02d}"
