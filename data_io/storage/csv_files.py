"""Tables as CSV files that spreadsheets show as text and that read back as they were.

A spreadsheet takes a cell that begins with = + - @, a tab or a carriage return for a formula. Text that begins so is
written with an apostrophe in front, and so is text that already has apostrophes there, so that `read_table` can take
exactly one away. Numbers are written as they are.
"""

import csv
import re
from collections.abc import Collection
from pathlib import Path

import pandas as pd

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.storage.csv_rows import FORMULA, write_rows

ESCAPED_BYTE = re.compile(r"\\udc([89a-f][0-9a-f])")
"""A byte of a file name that is not UTF-8, as the error handler backslashreplace writes it."""

TEXT_COLUMNS = ("case", "class", "patient", "source")
"""Columns of names: they stay text even where all of them look like numbers, such as case 007."""


def write_table(table: pd.DataFrame, path: str | Path, digits: int | None = 6) -> None:
    """Writes a table as CSV, whole or not at all: UTF-8, newline "\\n", an empty cell for NaN and None.

    Floats have `digits` significant digits, or with None as many as tell them apart. Text that a spreadsheet would take
    for a formula gets an apostrophe in front (see `read_table`); bytes of file names that are not UTF-8 become \\udcXX.
    """
    names, *columns = ([*table.columns], *(table.iloc[:, number] for number in range(table.shape[1])))
    cells = [[None if pd.isna(value) else value for value in column] for column in columns]
    write_rows(path, names, zip(*cells, strict=True), digits=digits)


def read_table(path: str | Path, *, text_columns: Collection[str] = TEXT_COLUMNS) -> pd.DataFrame:
    """Reads a table that this program wrote: text without the apostrophe that kept it from being a formula.

    A column becomes numbers where all its cells are numbers or empty (NaN); others, and `text_columns`, stay text.
    Raises InputError for a file that is missing, empty or not CSV, or names a column twice.

    Example:

        from pneumoseg.data_io.storage.csv_files import read_table

        scores = read_table("runs/first/cv_results.detailed.csv")
        print(scores[scores["class"] == "infection"].nsmallest(3, "dice")[["case", "dice"]])
    """
    header, *rows = read_cells(path, unique_columns=True)
    table = pd.DataFrame(rows, columns=header, dtype=object)
    for name in header:
        if name not in text_columns:
            table[name] = _numbers(table[name])
    return table


def read_cells(path: str | Path, unique_columns: bool = False) -> list[list[str]]:
    """The cells of a CSV file as text, row by row, the header first; all rows are of one length.

    Escaped text is given as it was (see `write_table`). Raises InputError for a file that is missing, empty or not CSV,
    and with `unique_columns` for one that names a column twice.
    """
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            rows = [row for row in csv.reader(file, strict=True) if row]
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error
    except (csv.Error, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not readable as CSV ({error})") from error
    if not rows:
        raise InputError(f"{path}: not readable as CSV (no columns in the file)")
    for number, row in enumerate(rows, start=1):
        if len(row) != len(rows[0]):
            raise InputError(
                f"{path}: not readable as CSV (row {number} has {len(row)} cells, the header has {len(rows[0])})"
            )
    cells = [[_text(cell) for cell in row] for row in rows]
    if unique_columns and (twice := sorted({name for name in cells[0] if cells[0].count(name) > 1})):
        raise InputError(f"{path}: column names must be unique, found {', '.join(twice)} more than once")
    return cells


def _text(cell: str) -> str:
    """What `_cell` and the error handler made the cell of."""
    text = ESCAPED_BYTE.sub(lambda found: chr(0xDC00 + int(found[1], 16)), cell)
    return text[1:] if text.startswith("'") and FORMULA.match(text) else text


def _numbers(column: pd.Series) -> pd.Series:
    try:
        return pd.to_numeric(column.where(column != "", None))
    except (ValueError, TypeError):  # pandas raises the second for text that is not UTF-8
        return column
