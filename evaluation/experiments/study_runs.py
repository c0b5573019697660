"""Runs of networks for whole studies: told from those of segmentations, and compared by their predictions."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.storage.csv_files import write_table
from pneumoseg.evaluation.runs.output_guard import check_output_free
from pneumoseg.evaluation.scoring.study_comparison import compare_studies
from pneumoseg.evaluation.scoring.study_predictions import PREDICTIONS, read_predictions

SUMMARY = "comparison.csv"


def holds_studies(run: Path) -> bool:
    """Whether a run folder, or a file, holds predictions of whole studies."""
    return predictions_of(run).is_file()


def predictions_of(run: Path) -> Path:
    """Where a run folder has its predictions of studies; a file of that name is its own."""
    return run if run.name == PREDICTIONS else run / PREDICTIONS


def compare_study_runs(runs: Mapping[str, Path], scores: Sequence[str] | None = None) -> pd.DataFrame:
    """As `compare_studies`, of runs by name; with `scores` these alone. Raises InputError as that function, where a run
    has no predictions of studies, and for an unknown score."""
    if lacking := [str(path) for path in runs.values() if not holds_studies(path)]:
        raise InputError(
            f"{', '.join(lacking)}: no {PREDICTIONS} in it, as the runs of networks for whole studies have; compare "
            "runs of one kind"
        )
    table = compare_studies({name: read_predictions(predictions_of(path)) for name, path in runs.items()})
    known = list(table["score"].unique())
    if unknown := [score for score in scores or () if score not in known]:
        raise InputError(f"scores are {', '.join(known)}, found {', '.join(unknown)}", options=("score",))
    return table[table["score"].isin(scores)] if scores else table


def write_study_comparison(table: pd.DataFrame, output: Path, *, overwrite: bool = False) -> None:
    """Writes comparison.csv to the folder `output`. Raises InputError as `check_output_free`."""
    check_output_free(output, SUMMARY, others=(), marks=(), overwrite=overwrite)
    write_table(table, output / SUMMARY)
