"""Scores of masks as a part of the cases holds them (`runs.parts`): exactly those of one call over all cases, so that
tables made of parts equal it to the last byte."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.content_hash import sha256_of
from pneumoseg.data_io.formats.label_mapping import LabelMapping
from pneumoseg.evaluation.measures import lesions
from pneumoseg.evaluation.runs.parts import PartCase, read_parts, same_masks
from pneumoseg.evaluation.scoring.case_scores import CaseScores
from pneumoseg.evaluation.scoring.mask_columns import COLUMNS
from pneumoseg.evaluation.scoring.pairing import Pair


@dataclass(frozen=True, eq=False)
class MeasuredCase:
    """The scores of a case, and the warnings of measuring it."""

    scores: CaseScores
    warnings: tuple[str, ...] = ()


def settings_of_parts(
    mapping: LabelMapping, tolerances_mm: Mapping[str, float] | None, with_probabilities: bool
) -> dict[str, object]:
    """What must be equal for all parts of one evaluation."""
    return {
        "labels": [f"{value}={name}" for value, name in zip(mapping.values, mapping.table.names, strict=True)],
        "grid": mapping.grid,
        "tolerances_mm": dict(tolerances_mm or {}),
        "probabilities": with_probabilities,
    }


def part_case(pair: Pair, measured: MeasuredCase) -> PartCase:
    """What the part's file holds of a case."""
    scores = measured.scores
    results = {
        "rows": [_plain(row) for row in scores.rows],
        "lesions": [_plain(row) for row in scores.lesions],
        "confusion": scores.confusion.tolist(),
        "warnings": list(measured.warnings),
    }
    return PartCase(_masks_of(pair), results)


def measured_parts(
    output: Path,
    pairs: Sequence[Pair],
    mapping: LabelMapping,
    settings: Mapping[str, object],
    *,
    parts: Sequence[str] | None = None,
) -> dict[str, MeasuredCase]:
    """Of the pairs, those that parts in `output`, all or the given ones, have scored, by case; a case whose pictures
    are missing there is left out. Raises InputError as `read_parts`, for masks that changed since, and for a part with
    other content."""
    found = read_parts(output, settings, parts=parts)
    measured = {}
    for pair in pairs:
        held = found.get(pair.case)
        drawn = pair.reference.image is None or (output / "figures" / f"{pair.case}.png").is_file()
        if held is not None and drawn:
            same_masks(pair.case, held, _masks_of(pair))
            measured[pair.case] = _measured(pair.case, held, len(mapping.table))
    return measured


def _masks_of(pair: Pair) -> dict[str, str]:
    return {"reference": sha256_of(pair.reference.path), "prediction": sha256_of(pair.prediction.path)}


def _plain(row: Mapping) -> dict:
    """The row for JSON: NumPy's numbers as Python's, None in place of NaN."""
    plain = {name: value.item() if isinstance(value, np.generic) else value for name, value in row.items()}
    return {name: None if isinstance(value, float) and np.isnan(value) else value for name, value in plain.items()}


def _measured(case: str, held: PartCase, classes: int) -> MeasuredCase:
    """The scores that a part holds. Raises InputError for other content."""
    rows, pieces, warnings = (held.results.get(name, ()) for name in ("rows", "lesions", "warnings"))
    confusion = held.results.get("confusion", ())
    whole = (
        _has_rows(rows, COLUMNS)
        and _has_rows(pieces, lesions.COLUMNS)
        and _is_matrix(confusion, classes)
        and isinstance(warnings, list)
    )
    if not whole or any(row["case"] != case for row in (*rows, *pieces)):
        raise InputError(f"case {case}: its part holds no scores as evaluate writes them; make the part again")
    nan = float("nan")
    scored = [{name: nan if value is None else value for name, value in row.items()} for row in rows]
    return MeasuredCase(CaseScores(scored, pieces, np.array(confusion)), tuple(map(str, warnings)))


def _has_rows(rows: Any, columns: Sequence[str]) -> bool:
    return isinstance(rows, list) and all(isinstance(row, dict) and set(row) == set(columns) for row in rows)


def _is_matrix(confusion: Any, size: int) -> bool:
    if not (isinstance(confusion, list) and len(confusion) == size):
        return False
    is_square = all(isinstance(row, list) and len(row) == size for row in confusion)
    return is_square and all(type(count) is int and count >= 0 for row in confusion for count in row)
