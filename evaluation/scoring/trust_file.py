"""A calibration as a file, trust.json: the table of its cases, without names, from which all else is computed."""

from pathlib import Path
from typing import Any

import numpy as np

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.storage.atomic import write_json
from pneumoseg.data_io.storage.json_files import read_json
from pneumoseg.evaluation.measures.trust import COVERAGE, SIGNALS, SMALLEST_ML, Calibration, DiceCalibration

FORMAT = 1
MOST_CASES = 10_000


def write_calibration(path: Path, calibration: Calibration) -> None:
    """Writes a calibration."""
    classes = {
        name: {"signals": list(one.names), "coverage": calibration.coverage.get(name), "cases": _rows(one)}
        for name, one in calibration.classes.items()
    }
    tested = zip(calibration.patients.tolist(), calibration.distances.tolist(), strict=True)
    content = {
        "format": FORMAT,
        "interval": COVERAGE,
        "smallest_ml": SMALLEST_ML,
        "classes": classes,
        "tested": [[patient, distance if np.isfinite(distance) else None] for patient, distance in tested],
    }
    write_json(path, content)


def _rows(one: DiceCalibration) -> list[list[float]]:
    return np.column_stack([one.patients, one.dice, one.values]).tolist()


def read_calibration(path: Path) -> Calibration:
    """Reads a calibration. Raises InputError for a file that is missing or holds something else."""
    content = read_json(path, "the calibration of a verdict", dict)
    if content.get("format") != FORMAT:
        raise InputError(
            f"{path}: a calibration of format {FORMAT} is needed, found {content.get('format')}; make it again with "
            "this version (pneumoseg report RUN DATA)"
        )
    try:
        classes = {str(name): _class(one) for name, one in content["classes"].items()}
        shares = {name: content["classes"][name]["coverage"] for name in classes}
        coverage = {name: float(share) for name, share in shares.items() if share is not None}
        tested = _numbers([[patient, np.nan if far is None else far] for patient, far in content["tested"]], 2)
        return Calibration(classes, tested[:, 1], tested[:, 0].astype(int), coverage)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(
            f"{path}: damaged, no calibration of a verdict ({' '.join(str(error).split())[:200]}); copy it again, or "
            "remove it to predict without verdicts"
        ) from error


def _class(content: Any) -> DiceCalibration:
    names = tuple(content["signals"])
    if not names or not set(names) <= set(SIGNALS) or len(set(names)) != len(names):
        raise ValueError(f"signals are some of {', '.join(SIGNALS)}, found {names}")
    table = _numbers(content["cases"], 2 + len(names))
    patients, dice, values = table[:, 0], table[:, 1], table[:, 2:]
    if not np.isfinite(table).all() or (table < 0).any() or (dice > 1).any():
        raise ValueError("a case has a Dice of 0 to 1 and finite signals from 0 on")
    return DiceCalibration(names, values, dice, patients.astype(int))


def _numbers(rows: Any, columns: int) -> np.ndarray:
    """An array (n, columns) of floats."""
    plain = isinstance(rows, list) and all(
        isinstance(row, list) and all(type(one) in (int, float) for one in row) for row in rows
    )
    if not plain or len(rows) > MOST_CASES or any(len(row) != columns for row in rows):
        raise ValueError(f"cases are at most {MOST_CASES:,} rows of {columns} numbers")
    return np.array(rows, float).reshape(-1, columns)
