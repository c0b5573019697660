"""Runs compared by their files: which table of scores is a run's, and the folder of a comparison.

The folder: figures/differences_SCORE.png, cases.csv (one row per case, what moved most first), comparison.csv (one row
per run, score and class); of runs of studies also studies.csv, scores that no single study has, such as the AUC.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from pneumoseg.data_io.console import listed
from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.storage.csv_files import write_table
from pneumoseg.evaluation.figures.differences import difference_plot
from pneumoseg.evaluation.figures.saving import save_figure
from pneumoseg.evaluation.runs.output_guard import check_output_free
from pneumoseg.evaluation.runs.run_marks import DETAILED, METRICS
from pneumoseg.evaluation.scoring.columns import Columns
from pneumoseg.evaluation.scoring.comparison import Comparison, compare
from pneumoseg.evaluation.scoring.mask_columns import MASK_COLUMNS
from pneumoseg.evaluation.scoring.study_comparison import compare_studies
from pneumoseg.evaluation.scoring.study_predictions import PREDICTIONS, read_predictions
from pneumoseg.evaluation.scoring.tables import read_detailed, rows_of

SCORE_TABLES = (DETAILED, METRICS)
SUMMARY, CASES, STUDIES = "comparison.csv", "cases.csv", "studies.csv"
FIGURES = "figures/differences_*.png"


def check_output(output: Path, overwrite: bool = False) -> None:
    """Raises InputError where a comparison cannot be written to `output`, as `check_output_free`."""
    check_output_free(output, SUMMARY, others=(CASES, STUDIES), marks=(FIGURES, CASES), overwrite=overwrite)


def compare_runs(
    runs: Mapping[str, Path], scores: Sequence[str] | None = None, *, columns: Columns = MASK_COLUMNS
) -> Comparison:
    """Compares runs, by name (as of `runs_by_name`), with the first of them.

    `scores`: those of `scoring.comparison.compare` by default; `columns`: those of the runs' task. Raises InputError as
    that function, and where a run has no table of scores.
    """
    tables = {name: read_detailed(score_table(path), columns) for name, path in runs.items()}
    return compare(tables, scores or None, columns=columns)


def are_studies(runs: Mapping[str, Path]) -> bool:
    """Whether runs are folders with predictions of studies; all are compared as such. Raises InputError where some are
    and others are not."""
    kinds = {name: (path / PREDICTIONS).is_file() for name, path in runs.items()}
    if len(set(kinds.values())) > 1:
        of_studies, others = (
            listed([name for name, kind in kinds.items() if kind is wanted]) for wanted in (True, False)
        )
        raise InputError(
            f"runs of one kind are compared, found predictions of studies in {of_studies} and none in {others}"
        )
    return all(kinds.values())


def compare_study_runs(runs: Mapping[str, Path]) -> pd.DataFrame:
    """Compares runs of studies, by name, with the first of them: scores that no single study has, as
    `scoring.study_comparison.compare_studies`. Raises InputError as that function, and for damaged predictions."""
    return compare_studies({name: read_predictions(path / PREDICTIONS) for name, path in runs.items()})


def write_comparison(
    comparison: Comparison, output: Path, *, studies: pd.DataFrame | None = None, overwrite: bool = False
) -> None:
    """Writes tables and figures to the folder `output`; figures of an earlier comparison there are removed. `studies`:
    as of `compare_study_runs`. Raises InputError as `check_output`."""
    check_output(output, overwrite)
    for earlier in output.glob(FIGURES):
        earlier.unlink()  # of a comparison that had other scores
    for score in comparison.summary["score"].unique():
        save_figure(difference_plot(comparison, score), output / "figures" / f"differences_{score}.png")
    (output / STUDIES).unlink(missing_ok=True)
    if studies is not None:
        write_table(studies, output / STUDIES)
    write_table(comparison.cases, output / CASES)
    write_table(comparison.summary, output / SUMMARY)  # last: its presence says that all the rest is there


def runs_by_name(runs: Sequence[Path]) -> dict[str, Path]:
    """Runs by the name of their folder, of a CSV of another name by that; the second "a" becomes "a (2)"."""
    named: dict[str, Path] = {}
    for path in runs:
        whole = Path(os.path.abspath(path))
        plain = (
            whole.parent.name if whole.name in SCORE_TABLES else whole.stem if whole.suffix == ".csv" else whole.name
        )
        name, number = plain, 1
        while name in named:
            number += 1
            name = f"{plain} ({number})"
        named[name] = path
    return named


def score_table(run: Path) -> Path:
    """The table of scores in a run folder or a folder of an evaluation; a file is its own. Raises InputError where the
    folder has none."""
    if not run.is_dir():
        return run
    for table in SCORE_TABLES:
        if (run / table).is_file():
            return run / table
    finished = sorted(table.parent.name for table in run.glob("fold_*/metrics.csv"))
    hint = f"folds are missing, name one of {', '.join(finished)} in it" if finished else "finish the run first"
    raise InputError(f"{run}: a run has {' or '.join(SCORE_TABLES)}, found neither; {hint}")


def comparison_content(comparison: Comparison, studies: pd.DataFrame | None = None) -> dict[str, list[dict]]:
    """The tables of a comparison as rows for JSON: plain numbers and text, None in place of NaN."""
    content = {"summary": rows_of(comparison.summary), "cases": rows_of(comparison.cases)}
    return content if studies is None else content | {"studies": rows_of(studies)}
