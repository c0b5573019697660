"""The table trust.csv of a run: signals and Dice of each tested case, what Dice the other cases let expect, verdict.

Each fold has the signals alone; the run has all, each case judged by a calibration without its patient.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import scipy

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.storage.csv_files import read_table, write_table
from pneumoseg.data_io.volumes.hounsfield import is_hu
from pneumoseg.data_io.volumes.labels import LabelTable
from pneumoseg.data_io.volumes.lazy_volume import Scan
from pneumoseg.data_io.volumes.volume import Volume
from pneumoseg.evaluation.measures.plausibility import Finding, implausible
from pneumoseg.evaluation.measures.trust import (
    FEWEST_PATIENTS,
    SIGNALS,
    SMALLEST_ML,
    Calibration,
    DiceCalibration,
    of_class,
    signal_values,
)
from pneumoseg.evaluation.measures.verdict import judged
from pneumoseg.evaluation.measures.volumetry import volumetry
from pneumoseg.evaluation.scoring.mask_columns import LUNG_GROUPS, default_groups
from pneumoseg.evaluation.scoring.patient_codes import patient_code
from pneumoseg.evaluation.scoring.trust_file import write_calibration
from pneumoseg.pipeline.models.bundle_card import TRUST
from pneumoseg.pipeline.prediction.signals import FOREGROUND, ClassSignals, Signals

TABLE = "trust.csv"
MEASURED = ("dice", "volume_reference_ml", "volume_prediction_ml", "predicted_ml", "expected_ml", "stray", *SIGNALS)
KEYS = ("fold", "case", "class", "patient")
FINDINGS = ("implausible", "implausible_grave")
"""Sentences of what is not plausible in a mask, and how many of them, from the first on, are grave."""
SEPARATOR = " | "
OF_CLASS = ("entropy", "doubt", "disagreement", "stray", "mirror_disagreement")
LATER = ("mirror_disagreement",)
"""Signals that tables of earlier versions do not have."""
PREDICTED = ("predicted_dice", "low", "high")
TEXT = (*KEYS[1:], "implausible", "verdict", "reasons")


def plausibility(image: Volume, mask: Volume, labels: LabelTable) -> list[Finding]:
    """What is not plausible in a mask of lungs; nothing for masks of other classes."""
    if not default_groups(labels.names):
        return []
    *lungs, infection = LUNG_GROUPS["lungs"]
    in_hu = is_hu(float(image.array.min()), float(image.array.max()))
    facts = volumetry(Scan.from_volume(image), mask, labels, lungs=lungs, infection=infection, in_hu=in_hu)
    return list(implausible(facts, labels, lungs, infection=infection))


def trust_rows(
    scores: Sequence[Mapping], signals: Signals, *, patient: str, findings: Sequence[Finding] = ()
) -> list[dict]:
    """A row for each class of a case that has signals, from the rows of its scores. The patient is told by a hash."""
    ordered = sorted(findings, key=lambda finding: not finding.grave)
    told = {
        "implausible": SEPARATOR.join(finding.sentence for finding in ordered),
        "implausible_grave": sum(finding.grave for finding in ordered),
    }
    rows = []
    for row in scores:
        one = of_class(signals, row["class"])
        if one is not None:
            known = {key: row[key] for key in ("fold", "case", "class", *MEASURED[:3])}
            ours = {"predicted_ml": one.predicted_ml, "expected_ml": one.expected_ml, "stray": one.stray}
            values = signal_values(one, signals.distance)
            rows.append({**known, **ours, **values, "patient": patient_code(patient), **told})
    return rows


def write_trust(folder: Path, rows: Sequence[Mapping]) -> None:
    """Writes a fold's table; none without rows, and none of before stays then."""
    if rows:
        write_table(pd.DataFrame(rows, columns=[*KEYS, *MEASURED, *FINDINGS]), folder / TABLE)
    else:
        (folder / TABLE).unlink(missing_ok=True)


def merge_trust(folders: Sequence[Path], target: Path) -> None:
    """Writes `target`/trust.csv from those of the folds, and trust.json, the calibration. Where a fold has none, as of
    an earlier version, the run has neither. Raises InputError for other content."""
    if not all((folder / TABLE).is_file() for folder in folders):
        for name in (TABLE, TRUST):
            (target / name).unlink(missing_ok=True)
        return
    table = with_verdicts(pd.concat([read_trust(folder / TABLE) for folder in folders], ignore_index=True))
    write_table(table, target / TABLE)
    write_calibration(target / TRUST, calibration_of(table))


def read_trust(path: Path, *, judged: bool = False) -> pd.DataFrame:
    """Reads a table of a fold or, with verdicts (`judged`), a run. Raises InputError for other content."""
    table = read_table(path, text_columns=TEXT)
    table = table.assign(**{name: np.nan for name in LATER if name not in table})
    numbers = (*MEASURED, FINDINGS[1], *(PREDICTED if judged else ()))
    lacking = [name for name in (*KEYS, *numbers, *(TEXT[3:] if judged else TEXT[3:4])) if name not in table]
    wrong = [name for name in numbers if name in table and not pd.api.types.is_numeric_dtype(table[name])]
    if lacking or wrong:
        message = f"lacks {lacking[0]}" if lacking else f"has text in {wrong[0]}"
        raise InputError(f"{path}: no table of signals, {message}; make it again (pneumoseg report RUN DATA)")
    return table


def calibration_of(table: pd.DataFrame) -> Calibration:
    """The calibration that the cases of a table give: of each class those with at least 1 ml of it in reference and
    prediction, by the signals that all of these have."""
    numbers, _ = pd.factorize(table["patient"])
    table = table.assign(number=numbers)
    classes = {}
    for name, rows in table.groupby("class", sort=False):
        usable = rows[is_calibrating(rows)]
        names = [signal for signal in SIGNALS if len(usable) and usable[signal].notna().all()]
        if names and usable["number"].nunique() >= FEWEST_PATIENTS:
            classes[str(name)] = DiceCalibration(
                tuple(names),
                usable[names].to_numpy(float),
                usable["dice"].to_numpy(float),
                usable["number"].to_numpy(int),
            )
    cases = table.drop_duplicates(["fold", "case"])
    coverage = {}
    if "predicted_dice" in table:
        found = {name: trust_figures(table, name) for name in classes}
        coverage = {name: figures["coverage"] for name, figures in found.items() if figures["cases"]}
    return Calibration(classes, cases["distance"].to_numpy(float), cases["number"].to_numpy(int), coverage)


def is_calibrating(rows: pd.DataFrame) -> pd.Series:
    """Which cases of a class have at least 1 ml of it in reference and prediction, and a Dice."""
    enough = (rows["volume_reference_ml"] >= SMALLEST_ML) & (rows["predicted_ml"] >= SMALLEST_ML)
    return enough & rows["dice"].notna()


def with_verdicts(table: pd.DataFrame) -> pd.DataFrame:
    """The table with predicted_dice, low, high, verdict and reasons of each case, judged by all other patients."""
    calibration = calibration_of(table)
    numbers, _ = pd.factorize(table["patient"])
    added: dict[Any, dict] = {}
    for _, rows in table.assign(number=numbers).groupby(["fold", "case"], sort=False):
        trust = judged(calibration.without(int(rows["number"].iloc[0])), _signals(rows), _findings(rows.iloc[0]))
        for index, name in rows["class"].items():
            predicted = trust.classes.get(name)
            added[index] = {
                "predicted_dice": predicted.predicted_dice if predicted else np.nan,
                "low": predicted.low if predicted else np.nan,
                "high": predicted.high if predicted else np.nan,
                "verdict": trust.verdict,
                "reasons": SEPARATOR.join(trust.reasons),
            }
    return table.join(pd.DataFrame.from_dict(added, orient="index"))


def trust_figures(table: pd.DataFrame, name: str) -> dict[str, float]:
    """How well Dice was predicted for a class, over its `cases` with at least 1 ml of it in the reference and a
    predicted Dice: `spearman`, `mean_absolute_error`, `coverage`; `without`, cases of at least 1 ml of which less was
    found, so that none was predicted; and `below`, the cases with less in the reference."""
    rows = table[table["class"] == name]
    positive = rows["volume_reference_ml"] >= SMALLEST_ML
    known = rows[positive & rows["predicted_dice"].notna() & rows["dice"].notna()]
    dice, predicted = known["dice"].to_numpy(float), known["predicted_dice"].to_numpy(float)
    telling = len(known) > 1 and np.ptp(dice) > 0 and np.ptp(predicted) > 0
    inside = (known["low"] <= known["dice"]) & (known["dice"] <= known["high"])
    return {
        "cases": len(known),
        "without": int(positive.sum()) - len(known),
        "below": int((rows["volume_reference_ml"] < SMALLEST_ML).sum()),
        "spearman": float(scipy.stats.spearmanr(dice, predicted).statistic) if telling else float("nan"),
        "mean_absolute_error": float(np.abs(dice - predicted).mean()) if len(known) else float("nan"),
        "coverage": float(inside.mean()) if len(known) else float("nan"),
    }


def _signals(rows: pd.DataFrame) -> Signals:
    classes = {}
    for row in rows.to_dict("records"):
        known = {key: None if pd.isna(row[key]) else float(row[key]) for key in OF_CLASS}
        name = FOREGROUND if row["class"] == "lungs" else row["class"]
        classes[name] = ClassSignals(float(row["predicted_ml"]), float(row["expected_ml"]), **known)
    distance = rows["distance"].iloc[0]
    return Signals(classes, None if pd.isna(distance) else float(distance))


def _findings(row: pd.Series) -> list[Finding]:
    sentences = [one for one in str(row["implausible"] or "").split(SEPARATOR) if one]
    return [Finding(one, number < int(row["implausible_grave"])) for number, one in enumerate(sentences)]
