"""Scores of predictions of studies from any program against the table of their cohort, without a run."""

from pathlib import Path

import pandas as pd

from pneumoseg.data_io.console import listed, warnings_of_this_thread
from pneumoseg.data_io.datasets.cohort_table import CohortTable
from pneumoseg.data_io.datasets.loaded_case import LoadedCase
from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.content_hash import sha256_of
from pneumoseg.data_io.storage.atomic import write_json
from pneumoseg.data_io.storage.csv_files import read_cells, write_table
from pneumoseg.data_io.storage.folders import visible_name
from pneumoseg.evaluation.experiments.study_task import StudyTask
from pneumoseg.evaluation.report.page import summarise, write_report
from pneumoseg.evaluation.report.warnings import grouped
from pneumoseg.evaluation.runs.output_guard import check_output_free
from pneumoseg.evaluation.runs.run_marks import METRICS
from pneumoseg.evaluation.scoring import tables
from pneumoseg.evaluation.scoring.study_prediction_files import checked_prediction, read_prediction
from pneumoseg.evaluation.scoring.study_predictions import PREDICTIONS, study_of
from pneumoseg.pipeline.methods.study_prediction import StudyPrediction

REPORT, SUMMARY, FINAL = "report.html", "summary.json", "final.csv"
OUTPUTS = ("probability", "score")


def check_output(output: Path, overwrite: bool = False) -> None:
    """Raises InputError where an evaluation cannot be written to `output`, as `check_output_free`."""
    others = (REPORT, SUMMARY, FINAL, *StudyTask.further_files)
    check_output_free(output, METRICS, others=others, marks=StudyTask.further_files[:1], overwrite=overwrite)


def evaluate_studies(
    cohort: CohortTable, prediction: str | Path, *, output: str | Path, overwrite: bool = False
) -> pd.DataFrame:
    """Scores the predictions of all studies of a cohort, writes the tables of `study_task`, final.csv, figures/,
    report.html, summary.json and at last metrics.csv to the folder `output`, and returns the final table. All studies
    count as fold 0. Nothing is written before all predictions are read.

    `prediction`: a CSV with the column `case`, the name of a study, `probability` or `score` (or `predicted_score`) or
    both, and perhaps `threshold` (0.5 by default), as predictions.csv of `predict` and runs; the folder with that file;
    or a folder of files CASE.json, as folds of runs have them. Raises InputError as
    `check_output`, for damaged predictions, and where these are not of the very studies of the cohort.
    """
    output, prediction = Path(output), Path(prediction)
    if (prediction / PREDICTIONS).is_file():
        prediction = prediction / PREDICTIONS
    check_output(output, overwrite)
    task, cases = StudyTask(), [LoadedCase(study_of(row)) for row in cohort]
    read = _read_folder(prediction, cases) if prediction.is_dir() else _read_csv(prediction)
    names = {case.name for case in cases}
    for where, lacking, what in (
        (prediction, names - read.keys(), "no prediction of"),
        (cohort.path, read.keys() - names, "no study named"),
    ):
        if lacking:
            found = f"{what} {listed(sorted(lacking))}"
            raise InputError(f"{where}: predictions are of the studies of the cohort, found {found}")
    scored = [task.score(0, case, read[case.name]) for case in cases]
    rows = [row for one in scored for row in one.rows]
    if not rows:
        raise InputError(
            f"{prediction}: probabilities need labels in {cohort.path}, predicted scores need scores there; found no "
            "study with both"
        )
    detailed = tables.detailed_table(rows, task.columns)
    final = tables.final_table(detailed, task.columns)
    for name in (METRICS, SUMMARY, REPORT):  # of an earlier call
        (output / name).unlink(missing_ok=True)
    with warnings_of_this_thread() as warnings:
        task.write_further(output, scored)
        task.merge_further([output], output)
    write_table(final, output / FINAL)
    files = {prediction.name: sha256_of(prediction)} if prediction.is_file() else {}
    write_report(
        output / REPORT,
        f"Evaluation: {visible_name(output)}",
        summarise(final, task.columns),
        settings_yaml="",
        splits=[],
        detailed=detailed,
        final=final,
        figures=task.figures(output, detailed),
        warnings=[*grouped(warnings), *task.warnings(detailed)],
        environment={"predictions (SHA-256)": files},
        result=task.result(detailed, final),
        further=task.further_sections(output),
        columns=task.columns,
    )
    write_json(output / SUMMARY, summarise(final, task.columns))
    write_table(detailed, output / METRICS)  # last: its presence says that all the rest is there
    return final


def _read_folder(folder: Path, cases: list[LoadedCase]) -> dict[str, StudyPrediction]:
    paths = {case.name: folder / StudyTask().file_name(case.name) for case in cases}
    return {name: read_prediction(path) for name, path in paths.items() if path.is_file()}


def _read_csv(path: Path) -> dict[str, StudyPrediction]:
    header, *rows = read_cells(path, unique_columns=True)
    table = pd.DataFrame(rows, columns=header, dtype=str)
    table = table if "score" in table else table.rename(columns={"predicted_score": "score"})
    if "case" not in table or not set(OUTPUTS) & set(table):
        raise InputError(
            f"{path}: predictions have the columns case and {' or '.join(OUTPUTS)}, found {', '.join(table.columns)}"
        )
    if twice := sorted(set(table.loc[table["case"].duplicated(), "case"])):
        raise InputError(f"{path}: one row per study is needed, found several of {listed(twice)}")
    read = {}
    for row in table.to_dict("records"):
        content = {name: _number(row.get(name, "")) for name in OUTPUTS}
        threshold = _number(row.get("threshold", ""))
        content["threshold"] = 0.5 if threshold is None else threshold
        read[row["case"]] = checked_prediction(content, f"{path}, case {row['case']}")
    return read


def _number(text: str) -> float | str | None:
    """The number in a cell; None for an empty one, and text that is none as it is."""
    try:
        return float(text) if text else None
    except ValueError:
        return text
