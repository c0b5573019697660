"""The score tables: every case in the detailed one, means over cases in the final one."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.storage.csv_files import read_cells
from pneumoseg.evaluation.measures.statistics import bootstrap_interval
from pneumoseg.evaluation.scoring.columns import KEYS, Columns
from pneumoseg.evaluation.scoring.mask_columns import MASK_COLUMNS

ALL_FOLDS = "all"
LARGEST_FOLD = 2**53
"""Beyond, floating point cannot tell whole numbers apart."""

STATISTICS = ("mean", "sd", "median", "undefined")
FURTHER_STATISTICS = ("q1", "q3", "ci95_low", "ci95_high")


def detailed_table(rows: Sequence[dict], columns: Columns = MASK_COLUMNS) -> pd.DataFrame:
    """One row per fold x case x class, `columns.all`, then any others; ordered by fold and case.

    Columns beyond `columns.required` that older tables lack are NaN, those of text empty. Raises InputError for no
    rows, a missing column, or the same fold, case and class twice.
    """
    return _checked(pd.DataFrame(list(rows)), "score table", columns)


def read_detailed(path: str | Path, columns: Columns = MASK_COLUMNS) -> pd.DataFrame:
    """Reads a detailed table from CSV; empty scores become NaN, names stay text.

    Raises InputError for a file that is missing, empty or not CSV, lacks columns, holds text where a number belongs, a
    fold that is no whole number, or has the same fold, case and class twice.
    """
    if not Path(path).is_file():
        raise InputError(f"{path}: no such file of scores")
    # Everything as text first: a case may be named "007" or "NA".
    header, *rows = read_cells(path, unique_columns=True)
    table = pd.DataFrame(rows, columns=header, dtype=str)
    for column in ("fold", *columns.numbers):
        if column in table:
            text = table[column].str.strip()
            numbers = pd.to_numeric(text, errors="coerce")
            if column == "fold":
                kind, right = "whole numbers", (numbers % 1 == 0) & (numbers.abs() < LARGEST_FOLD)
            else:
                kind, right = "numbers", numbers.notna() | text.str.lower().isin(["", "nan"])
            if not right.all():
                value = repr(text[~right].iloc[0]) if text[~right].iloc[0] else "an empty cell"
                raise InputError(f"{path}: column {column} must hold {kind}, found {value}")
            table[column] = numbers
    return _checked(table, str(path), columns)


def final_table(detailed: pd.DataFrame, columns: Columns = MASK_COLUMNS) -> pd.DataFrame:
    """One row per fold x class, then fold "all" (all cases pooled, as `per_case`) x class; `fold` is text.

    Columns: fold, class, cases, then for each of `columns.scores` its `_mean`, `_sd` (n - 1 in the denominator; NaN
    for one case), `_median` over the cases where it is defined, and `_undefined`, the number of cases where it
    is not. After these, again for each score, the quartiles `_q1` and `_q3`, and `_ci95_low` and `_ci95_high`: the 95 %
    bootstrap interval of the mean over cases (NaN for one case).
    """
    parts = [(str(fold), part) for fold, part in detailed.groupby("fold", sort=True)]
    rows = [
        {"fold": fold, "class": name, "cases": len(members)}
        | _statistics(members, [score for score in columns.scores if score not in columns.later])
        | _statistics(members, columns.later)
        for fold, part in [*parts, (ALL_FOLDS, per_case(detailed, columns.scores).reset_index())]
        for name, members in part.groupby("class", sort=False)
    ]
    return pd.DataFrame(rows)


def per_case(detailed: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """The columns of a detailed table by case and class: a case that several folds tested counts once, with its mean
    over the folds where it is defined (NaN where it is in none)."""
    return detailed.groupby(["case", "class"], sort=False)[list(columns)].mean()


def result_lines(final: pd.DataFrame, columns: Columns = MASK_COLUMNS) -> str:
    """The rows of fold "all" as a table for the terminal: per class the main score (mean ± sd, 95 % bootstrap interval
    of the mean, median), the means of the `brief` ones, the number of cases and of those whose main score is undefined;
    below it, what a class is that needs an explanation."""
    main, digits = columns.main, columns.decimal_places(columns.main)
    header = (
        *("class", f"{_words(main)} mean ± sd", "95 % interval", "median"),
        *(_words(score) for score in columns.brief),
        *("cases", "undefined"),
    )
    rows: list[tuple[str, ...]] = [header]
    for row in final[final["fold"] == ALL_FOLDS].to_dict("records"):
        rows.append(
            (
                str(row["class"]),
                mean_and_sd(row[f"{main}_mean"], row[f"{main}_sd"], digits),
                interval(row[f"{main}_ci95_low"], row[f"{main}_ci95_high"], digits),
                decimals(row[f"{main}_median"], digits),
                *(decimals(row[f"{score}_mean"], _brief_places(score, columns)) for score in columns.brief),
                str(row["cases"]),
                str(row[f"{main}_undefined"]),
            )
        )
    lines = aligned(rows)
    if any(row[-2] == "1" for row in rows):
        lines.append("One case has no deviation and no interval.")
    lines += columns.class_definitions([row[0] for row in rows[1:]]).values()
    return "\n".join(lines)


def _words(column: str) -> str:
    return column.replace("_", " ")


def _brief_places(score: str, columns: Columns) -> int:
    """Errors have one place less than in the report: a terminal's table is for a first look."""
    return max(0, columns.decimal_places(score) - (score in columns.errors))


def aligned(rows: Sequence[Sequence[str]], text_columns: int = 1) -> list[str]:
    """The lines of a table for the terminal: the first row as header, a rule, the other rows.

    The first `text_columns` columns stand flush left, those after them, the numbers, flush right.
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        words = map(str.ljust, row[:text_columns], widths)
        numbers = map(str.rjust, row[text_columns:], widths[text_columns:])
        lines.append("  ".join([*words, *numbers]))
    lines.insert(1, "-" * len(lines[0]))
    return lines


def decimals(value: float, places: int = 3) -> str:
    """A number for readers; an en dash where it is undefined (NaN)."""
    return "–" if pd.isna(value) else f"{value:.{places}f}"


def interval(low: float, high: float, places: int = 3) -> str:
    """ "0.57 to 0.75"; an en dash where there is none."""
    return "–" if pd.isna(low) else f"{low:.{places}f} to {high:.{places}f}"


def mean_and_sd(mean: float, sd: float, places: int = 3) -> str:
    """ "0.912 ± 0.034"; the mean alone where there is no deviation, an en dash where there is no mean."""
    return decimals(mean, places) if pd.isna(sd) else f"{mean:.{places}f} ± {sd:.{places}f}"


def _statistics(members: pd.DataFrame, scores: Sequence[str]) -> dict[str, float | int]:
    row: dict[str, float | int] = {}
    further: dict[str, float] = {}  # columns that come after those that others' scripts know
    for score in scores:
        column = members[score].to_numpy(float)
        values = column[~np.isnan(column)]
        quartiles = np.quantile(values, (0.25, 0.5, 0.75)) if len(values) else np.full(3, np.nan)
        row[f"{score}_mean"] = float(values.mean()) if len(values) else float("nan")
        row[f"{score}_sd"] = float(values.std(ddof=1)) if len(values) > 1 else float("nan")
        row[f"{score}_median"] = float(quartiles[1])
        row[f"{score}_undefined"] = len(column) - len(values)
        spread = (float(quartiles[0]), float(quartiles[2]), *bootstrap_interval(values))
        further |= {f"{score}_{name}": value for name, value in zip(FURTHER_STATISTICS, spread, strict=True)}
    return row | further


def _checked(table: pd.DataFrame, origin: str, columns: Columns) -> pd.DataFrame:
    missing = [column for column in columns.required if column not in table]
    if missing and len(table.columns):
        raise InputError(f"{origin}: columns missing: {', '.join(missing)}; found {', '.join(map(str, table.columns))}")
    if not len(table):
        raise InputError(f"{origin}: no scores; at least one case must have been scored")
    twice = table[table.duplicated(list(KEYS))]
    if len(twice):
        keys = ", ".join(f"{key} {twice.iloc[0][key]}" for key in KEYS)
        raise InputError(f"{origin}: one row per fold, case and class, found {keys} more than once")
    further = [column for column in table.columns if column not in columns.all]
    table = table.reindex(columns=[*columns.all, *further])
    table = table.astype({"fold": int, **dict.fromkeys(columns.numbers, float)})
    texts = {column: table[column].astype(object).where(table[column].notna(), "") for column in columns.text}
    table = table.assign(**texts)
    return table.sort_values(["fold", "case"], kind="stable", ignore_index=True)


def rows_of(table: pd.DataFrame) -> list[dict]:
    """A table as rows for JSON: plain numbers and text, None in place of NaN."""
    return table.astype(object).where(table.notna(), None).to_dict("records")
