"""The tables that predictions of studies give: classification.csv, agreement.csv, categories_off.csv, accuracy.csv."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd

from pneumoseg.data_io.storage.csv_files import read_table, write_table
from pneumoseg.evaluation.measures.agreement import agreement_scores, bland_altman, categories_off, category_numbers
from pneumoseg.evaluation.measures.classification import confusion_counts, label_scores, ranking_scores
from pneumoseg.evaluation.measures.resampling import patient_bootstrap
from pneumoseg.evaluation.scoring.study_predictions import (
    LABELS,
    PREDICTIONS,
    read_predictions,
    read_training_predictions,
    with_labels,
    with_scores,
    write_predictions,
)
from pneumoseg.evaluation.scoring.study_score_names import TITLES
from pneumoseg.evaluation.scoring.tables import ALL_FOLDS, aligned, decimals, interval, rows_of
from pneumoseg.pipeline.methods.study_prediction import TRAINING_PREDICTIONS

CLASSIFICATION, AGREEMENT = "classification.csv", "agreement.csv"
CATEGORIES_OFF, ACCURACY = "categories_off.csv", "accuracy.csv"
FILES = (CLASSIFICATION, AGREEMENT, CATEGORIES_OFF, ACCURACY)

SCORE_COLUMNS = ("fold", "score", "value", "ci95_low", "ci95_high", "studies")
KINDS = ("label", "category", "within_one")
"""What an accuracy is of: the label, the category of the score, the category or one beside it."""


def write_study_tables(folders: Sequence[Path], target: Path) -> None:
    """Writes `target`/predictions.csv, the rows of all folds in `folders`, and the tables `FILES` that these give;
    those of which nothing is known are removed. Raises InputError where a fold's table holds something else."""
    of_folds = [read_predictions(folder / PREDICTIONS) for folder in folders]
    predictions = pd.concat(of_folds, ignore_index=True)
    training = [
        _training_of(folder, table) if (folder / TRAINING_PREDICTIONS).is_file() else table.iloc[:0]
        for folder, table in zip(folders, of_folds, strict=True)
    ]
    write_predictions(target / PREDICTIONS, predictions)
    write_known(classification_table(predictions), target / CLASSIFICATION)
    write_known(agreement_table(predictions), target / AGREEMENT)
    write_known(categories_off_table(predictions), target / CATEGORIES_OFF)
    write_known(accuracy_table(of_folds, training), target / ACCURACY)


def write_known(table: pd.DataFrame, path: Path) -> None:
    """Writes a table; one without rows is not written, and none of before stays."""
    if len(table):
        write_table(table, path)
    else:
        path.unlink(missing_ok=True)


def classification_table(predictions: pd.DataFrame) -> pd.DataFrame:
    """Scores of the labels, `SCORE_COLUMNS`: for each fold, then for "all" with 95 % bootstrap intervals over patients,
    the scores of `classification.label_scores` and the counts of given and predicted labels; no rows without labels."""
    return _by_fold(with_labels(predictions), ("diseased", "probability", "predicted"), label_scores, _label_counts)


def ranking_table(predictions: pd.DataFrame) -> pd.DataFrame:
    """AUC and average precision of the given labels where no probability but the predicted score orders the studies;
    laid out as `classification_table`."""
    known = predictions[predictions["given_label"] != ""].dropna(subset=["predicted_score"])
    known = known.assign(diseased=(known["given_label"] == LABELS[1]).astype(bool))
    return _by_fold(known, ("diseased", "predicted_score"), ranking_scores)


def agreement_table(predictions: pd.DataFrame) -> pd.DataFrame:
    """Agreement of the scores, `SCORE_COLUMNS`, laid out as `classification_table`: `agreement.agreement_scores`, and
    the limits of agreement (Bland & Altman) `limit_low` and `limit_high`; no rows without scores."""
    return _by_fold(with_scores(predictions), ("given_score", "predicted_score"), _agreement)


def categories_off_table(predictions: pd.DataFrame) -> pd.DataFrame:
    """How many studies are 0 to 4 categories off: categories_off, studies, share, and share_up_to, the share of at most
    so many; no rows without scores."""
    scored = with_scores(predictions)
    counts = categories_off(*_scores(scored))
    shares = counts / max(len(scored), 1)
    columns = {"categories_off": range(len(counts)), "studies": counts, "share": shares}
    table = pd.DataFrame({**columns, "share_up_to": np.cumsum(shares)})
    return table if len(scored) else table.iloc[:0]


def accuracy_table(tests: Sequence[pd.DataFrame], training: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Accuracy on training and test studies, a row per fold and kind of `KINDS`, then "all": every study of every fold,
    so that a study counts in training as often as it trained. Columns: fold, accuracy_of, training_studies,
    training_accuracy, test_studies, test_accuracy; empty where nothing is known, and no rows without test studies."""
    parts = [(str(fold), train, test) for fold, (train, test) in enumerate(zip(training, tests, strict=True))]
    parts.append((ALL_FOLDS, pd.concat(training), pd.concat(tests)))
    rows = []
    for fold, train, test in parts:
        for kind in KINDS:
            row: dict = {"fold": fold, "accuracy_of": kind}
            for side, table in (("training", train), ("test", test)):
                hits = _hits(table, kind)
                row |= {f"{side}_studies": len(hits), f"{side}_accuracy": hits.mean() if len(hits) else np.nan}
            if row["test_studies"]:
                rows.append(row)
    return pd.DataFrame(rows)


def study_content(folder: Path) -> dict[str, list[dict]]:
    """The tables in a folder, by name, as rows for JSON: plain numbers and text, None in place of NaN."""
    content = {}
    for name in FILES:
        if (folder / name).is_file():
            table = read_table(folder / name, text_columns=("fold", "score", "accuracy_of"))
            content[name.removesuffix(".csv")] = rows_of(table)
    return content


def study_lines(folder: Path) -> str:
    """The tables in the folder of a run for the terminal, of what is known: scores of all folds with intervals,
    categories off, training against test."""
    parts = []
    for name in (CLASSIFICATION, AGREEMENT):
        if (folder / name).is_file():
            table = read_table(folder / name, text_columns=("fold", "score"))
            parts.append(aligned([("score", "value", "95 % interval"), *_cells(table)]))
    if (folder / CATEGORIES_OFF).is_file():
        table = read_table(folder / CATEGORIES_OFF)
        counts = [(f"{off:.0f}", f"{studies:.0f}", decimals(share)) for off, studies, share, _ in table.to_numpy()]
        parts.append(aligned([("categories off", "studies", "share"), *counts]))
    if (folder / ACCURACY).is_file():
        table = read_table(folder / ACCURACY, text_columns=("fold", "accuracy_of"))
        header = ("accuracy of", "training", "test")
        pairs = table.loc[table["fold"] == ALL_FOLDS, ["accuracy_of", "training_accuracy", "test_accuracy"]]
        parts.append(aligned([header, *((kind, decimals(one), decimals(two)) for kind, one, two in pairs.to_numpy())]))
    return "\n\n".join("\n".join(lines) for lines in parts)


def _cells(table: pd.DataFrame) -> Iterator[tuple[str, ...]]:
    for row in table[table["fold"] == ALL_FOLDS].to_dict("records"):
        title, places = TITLES[row["score"]]
        yield title, decimals(row["value"], places), interval(row["ci95_low"], row["ci95_high"], places)


def _hits(table: pd.DataFrame, kind: str) -> np.ndarray:
    """Of each study whether it is right, (n,)."""
    if kind == "label":
        labelled = with_labels(table)
        return (labelled["diseased"] == labelled["predicted"]).to_numpy(bool)
    given, predicted = (category_numbers(scores) for scores in _scores(with_scores(table)))
    return np.abs(predicted - given) <= (kind == "within_one")


def _training_of(folder: Path, tests: pd.DataFrame) -> pd.DataFrame:
    return read_training_predictions(folder / TRAINING_PREDICTIONS, tests["threshold"].dropna().tolist())


def _by_fold(
    known: pd.DataFrame,
    columns: Sequence[str],
    scores_of: Callable[..., dict[str, float]],
    counts_of: Callable[..., dict[str, float]] | None = None,
) -> pd.DataFrame:
    """Rows of what the functions say of the columns, as arrays, of each fold and of all."""
    rows: list[dict] = []
    parts = [(str(fold), part) for fold, part in known.groupby("fold", sort=True)]
    for fold, part in [*parts, *([(ALL_FOLDS, known)] if len(known) else [])]:
        arrays = [part[column].to_numpy() for column in columns]
        intervals = patient_bootstrap(_drawn(scores_of, arrays), part["patient"].to_numpy()) if part is known else None
        rows += _rows(fold, len(part), scores_of(*arrays), intervals)
        rows += _rows(fold, len(part), counts_of(*arrays) if counts_of else {})
    return pd.DataFrame(rows, columns=list(SCORE_COLUMNS))


def _drawn(scores_of: Callable[..., dict[str, float]], arrays: Sequence[np.ndarray]) -> Callable:
    return lambda drawn: np.array(list(scores_of(*(array[drawn] for array in arrays)).values()))


def _rows(fold: str, studies: int, scores: dict[str, float], intervals: np.ndarray | None = None) -> Iterator[dict]:
    for place, (score, value) in enumerate(scores.items()):
        low, high = (np.nan, np.nan) if intervals is None else intervals[place]
        yield dict(zip(SCORE_COLUMNS, (fold, score, value, low, high, studies), strict=True))


def _label_counts(diseased: np.ndarray, probabilities: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    return asdict(confusion_counts(diseased, predicted))


def _agreement(given: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    limits = bland_altman(given, predicted)
    return {**agreement_scores(given, predicted), "limit_low": limits.low, "limit_high": limits.high}


def _scores(part: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    return part["given_score"].to_numpy(float), part["predicted_score"].to_numpy(float)
