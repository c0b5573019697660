"""The table predictions.csv: given and predicted label and score of each tested study, one row each."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from pneumoseg.data_io.datasets.cohort_table import CohortRow
from pneumoseg.data_io.datasets.studies import Study
from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.storage.csv_files import read_table, write_table
from pneumoseg.evaluation.measures.agreement import ctsi_percent_over_4
from pneumoseg.evaluation.measures.severity import category
from pneumoseg.evaluation.scoring.patient_codes import patient_code
from pneumoseg.pipeline.methods.study_prediction import StudyPrediction

PREDICTIONS = "predictions.csv"
LABELS = ("healthy", "diseased")
COLUMNS = (
    *("case", "fold", "patient", "given_label", "predicted_label", "probability", "threshold"),
    *("given_score", "predicted_score", "given_category", "predicted_category"),
    *("given_ctsi_percent_over_4", "predicted_ctsi_percent_over_4"),
)
TEXT = ("case", "patient", "given_label", "predicted_label", "given_category", "predicted_category")
TRAINING_COLUMNS = ("case", "given_label", "probability", "given_score", "score")
LIMITS = {"probability": 1.0, "threshold": 1.0, "given_score": 100.0, "predicted_score": 100.0, "score": 100.0}
"""The largest value of each column; the least is 0."""


def study_of(row: CohortRow) -> Study:
    """The study that a row of a cohort's table describes."""
    return Study(row.name, row.path, None, row.patient, diseased=row.diseased, score=row.score)


def prediction_row(fold: int, study: Study, prediction: StudyPrediction) -> dict:
    """The row of a study, columns `COLUMNS`; what is not known or not predicted is None. The patient is told by a
    code."""
    row: dict = {"case": study.name, "fold": fold, "patient": patient_code(study.patient)}
    for side, diseased, score in (
        ("given", study.diseased, study.score),
        ("predicted", prediction.diseased, prediction.score),
    ):
        row[f"{side}_label"] = None if diseased is None else LABELS[diseased]
        row[f"{side}_score"] = score
        row[f"{side}_category"] = None if score is None else category(score)
        row[f"{side}_ctsi_percent_over_4"] = None if score is None else ctsi_percent_over_4(score)
    row["probability"] = prediction.probability
    row["threshold"] = None if prediction.probability is None else prediction.threshold
    return {column: row[column] for column in COLUMNS}


def write_predictions(path: Path, rows: Sequence[Mapping] | pd.DataFrame) -> None:
    """Writes rows as of `prediction_row`, whole or not at all; numbers with all their digits, so that what is computed
    from the file is what was computed before."""
    write_table(pd.DataFrame(rows, columns=list(COLUMNS)), path, digits=None)


def predictions_table(rows: Sequence[Mapping]) -> pd.DataFrame:
    """Rows as of `prediction_row` as a table: text columns as text, "" where nothing is known, folds as int, the others
    as numbers or NaN."""
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    kinds: dict[str, type] = {**dict.fromkeys(COLUMNS, float), "fold": int, **dict.fromkeys(TEXT, object)}
    return table.astype(kinds).fillna(dict.fromkeys(TEXT, ""))


def read_predictions(path: Path) -> pd.DataFrame:
    """Reads a table of predictions, in the form of `predictions_table`.

    Raises InputError for a file that is missing or no CSV, lacks a column or a row, and for a label, probability or
    score that is none, named by its row.
    """
    table = _read(path, COLUMNS)
    for column in ("given_label", "predicted_label"):
        wrong = ~table[column].isin([*LABELS, ""])
        if wrong.any():
            raise InputError(
                f"{path}: {column} is {' or '.join(LABELS)} or empty, found {table.loc[wrong, column].iloc[0]!r} in "
                f"case {table.loc[wrong, 'case'].iloc[0]}"
            )
    folds = table["fold"]
    if folds.isna().any() or (folds % 1 != 0).any():
        raise InputError(f"{path}: column fold must hold whole numbers")
    return table.astype({"fold": int})


def read_training_predictions(path: Path, thresholds: Sequence[float]) -> pd.DataFrame:
    """Predictions of training studies as `read_predictions` gives those of test studies, of the columns that accuracies
    need. `thresholds`: those of the fold's test predictions, of one model; without exactly one, labels are left out.

    The file has the columns case, given_label (1, 0 or empty), probability, given_score, score. Raises InputError for
    other content.
    """
    table = _read(path, TRAINING_COLUMNS, numbers=("given_label",))
    given = table["given_label"]
    if not (given.isna() | given.isin([0, 1])).all():
        raise InputError(f"{path}: given_label is 1, 0 or empty")
    labels = pd.Series(np.where(given.isna(), "", np.where(given == 1, LABELS[1], LABELS[0])), index=table.index)
    predicted = pd.Series("", index=table.index, dtype=object)
    if len(set(thresholds)) == 1:
        is_diseased = table["probability"] >= thresholds[0]
        predicted = predicted.where(table["probability"].isna(), is_diseased.map({True: LABELS[1], False: LABELS[0]}))
    return table.assign(given_label=labels, predicted_label=predicted, predicted_score=table["score"])


def with_labels(table: pd.DataFrame) -> pd.DataFrame:
    """The rows with a given label and a predicted one, with the column `diseased` (bool)."""
    known = table[(table["given_label"] != "") & (table["predicted_label"] != "")]
    return known.assign(
        diseased=(known["given_label"] == LABELS[1]).astype(bool),
        predicted=(known["predicted_label"] == LABELS[1]).astype(bool),
    )


def with_scores(table: pd.DataFrame) -> pd.DataFrame:
    """The rows with a given and a predicted score."""
    return table.dropna(subset=["given_score", "predicted_score"])


def _read(path: Path, columns: Sequence[str], numbers: Sequence[str] = ()) -> pd.DataFrame:
    text = [column for column in TEXT if column not in numbers]
    table = read_table(path, text_columns=text)
    if missing := [column for column in columns if column not in table]:
        raise InputError(
            f"{path}: a table of predictions has the columns {', '.join(columns)}; missing: {', '.join(missing)}"
        )
    if not len(table):
        raise InputError(f"{path}: a table of predictions has a row per study, found none")
    for column in columns:
        if column in text:
            continue
        if not pd.api.types.is_numeric_dtype(table[column]) and table[column].notna().any():
            raise InputError(f"{path}: column {column} must hold numbers, found text")
        table[column] = table[column].astype(float)
        limit = LIMITS.get(column, np.inf)
        wrong = (table[column] < 0) | (table[column] > limit) | np.isinf(table[column])
        if wrong.any():
            raise InputError(
                f"{path}: {column} lies between 0 and {limit:g}, found {table.loc[wrong, column].iloc[0]:g} in case "
                f"{table.loc[wrong, 'case'].iloc[0]}"
            )
    return table
