"""Rows as CSV files, written without pandas, whose import takes longer than writing most of them; see `csv_files`."""

import math
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from pneumoseg.data_io.storage.atomic import write_aside

FORMULA = re.compile(r"'*[=+\-@\t\r]")
"""The start of text that a spreadsheet would compute, or that is escaped already."""

TO_QUOTE = re.compile(r'[",;\t\r\n]')
"""What would end a cell; semicolons and tabs do where a spreadsheet takes them for the separator."""


def write_rows(
    path: str | Path, names: Sequence[Any], rows: Iterable[Sequence[Any]], *, digits: int | None = 6
) -> None:
    """Writes a header and rows as `csv_files.write_table` does: whole or not at all, None and NaN as empty cells."""
    texts = [[_cell(value, digits) for value in row] for row in (names, *rows)]
    lines = [",".join(map(_quoted, row)) if len(row) != 1 else _quoted(row[0]) or '""' for row in texts]
    with write_aside(path) as aside:
        aside.write_text("\n".join(lines) + "\n", encoding="utf-8", errors="backslashreplace", newline="")


def _cell(value: Any, digits: int | None) -> str:
    if isinstance(value, str):
        return f"'{value}" if FORMULA.match(value) else value
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, float):  # NumPy's float64, too
        return repr(float(value)) if digits is None else f"{value:.{digits}g}"
    return str(value)


def _quoted(cell: str) -> str:
    return '"' + cell.replace('"', '""') + '"' if TO_QUOTE.search(cell) else cell
