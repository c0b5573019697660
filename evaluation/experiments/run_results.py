"""The results of a run from what its folds left: cv_results.*.csv, summary.json, figures and report.html."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from pneumoseg.data_io.console import log
from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.storage.atomic import write_json
from pneumoseg.data_io.storage.csv_files import write_table
from pneumoseg.data_io.storage.folders import visible_name
from pneumoseg.evaluation.experiments.task import ScoredCase, Task
from pneumoseg.evaluation.report.page import summarise, write_report
from pneumoseg.evaluation.report.source_tables import source_sections
from pneumoseg.evaluation.report.warnings import grouped
from pneumoseg.evaluation.runs.run_folder import RunFolder
from pneumoseg.evaluation.runs.run_marks import BY_SOURCE, DETAILED, FINAL, METRICS
from pneumoseg.evaluation.runs.splits import RANDOM_SLICES, Split
from pneumoseg.evaluation.scoring import tables
from pneumoseg.evaluation.scoring.columns import Columns
from pneumoseg.pipeline.settings.prediction import is_random_slices

REPORT, SUMMARY = "report.html", "summary.json"

STARTED_ELSEWHERE = (
    "; but every fold began with the weights of another model, which may have been trained on its test cases"
)
"""What the choice of the model leaves open where a run has a model to start from."""


@dataclass(frozen=True, eq=False)
class CrossValidation:
    """Scores per fold x case x class (`detailed`) and per fold x class (`final`), of the folds finished so far.
    `columns`: of the task; `by_source`: the scores by source, where there are several or cases without lesions."""

    run: RunFolder
    detailed: pd.DataFrame
    final: pd.DataFrame
    complete: bool
    columns: Columns
    by_source: pd.DataFrame | None = None


def write_fold(folder: Path, scored: Sequence[ScoredCase], task: Task) -> None:
    """Writes the tables of a fold, and warnings to the log. metrics.csv comes last: it says that all is there."""
    detailed = tables.detailed_table([row for one in scored for row in one.rows], task.columns)
    for warning in task.warnings(detailed):
        log.warning("%s: %s", visible_name(folder), warning)
    task.write_further(folder, scored)
    write_table(detailed, folder / METRICS)


def collect_results(
    run: RunFolder, splits: Sequence[Split], task: Task, *, model_choice: str, show_cases: bool = True
) -> CrossValidation:
    """The tables of the finished folds; where these are all, the results of the run are written.

    `model_choice`: how the method chose each fold's model, in words. `show_cases`: whether the report shows CTs.
    Raises InputError where no fold is finished, or folds were scored in different ways.
    """
    finished = [fold for fold in range(len(splits)) if run.finished(fold)]
    if not finished:
        raise InputError(f"{run.root}: no fold is finished; nothing can be measured")
    detailed = pd.concat([tables.read_detailed(run.fold(fold) / METRICS, task.columns) for fold in finished])
    detailed = detailed.reset_index(drop=True)
    task.check_alike(run.root, detailed)
    results = CrossValidation(
        run=run,
        detailed=detailed,
        final=tables.final_table(detailed, task.columns),
        complete=len(finished) == len(splits),
        columns=task.columns,
        by_source=task.by_source(detailed),
    )
    if results.complete:
        if run.environment.get("start_from"):
            model_choice = model_choice.removesuffix(STARTED_ELSEWHERE) + STARTED_ELSEWHERE
        with run.writing():
            write_results(results, splits, task, model_choice=model_choice, show_cases=show_cases)
    return results


def write_results(
    results: CrossValidation, splits: Sequence[Split], task: Task, *, model_choice: str, show_cases: bool
) -> None:
    """Writes the tables, the summary, the figures and the report of a run whose folds are finished."""
    run, detailed, final = results.run, results.detailed, results.final
    write_table(detailed, run.root / DETAILED)
    write_table(final, run.root / FINAL)
    (run.root / BY_SOURCE).unlink(missing_ok=True)  # of an earlier scoring
    if results.by_source is not None:
        write_table(results.by_source, run.root / BY_SOURCE)
    task.merge_further([run.fold(fold) for fold in range(len(splits))], run.root)
    summary = {**_mark(run), "model choice": model_choice, **summarise(final, task.columns)}
    write_json(run.root / SUMMARY, summary)
    figures = [*task.figures(run.root, detailed)]
    for fold in range(len(splits)):
        curve = run.fold(fold) / "fitting_curve.png"
        if curve.is_file():
            figures.append((f"Fold {fold}: training", curve))
    folders = {}
    if show_cases:
        folders = {(fold, case): run.fold(fold) / "figures" for fold, split in enumerate(splits) for case in split.test}
    pictures = task.case_pictures(detailed, folders)
    write_report(
        run.root / REPORT,
        f"Cross-validation: {visible_name(run.root)}",
        summary,
        settings_yaml=run.settings_yaml,
        splits=splits,
        detailed=detailed,
        final=final,
        figures=[*figures, *pictures.sheets],
        warnings=_warnings(run),
        environment=run.environment,
        strips=pictures.strips,
        result=task.result(detailed, final),
        further={**source_sections(results.by_source), **task.further_sections(run.root)},
        columns=task.columns,
    )


def remove_results(folder: Path, task: Task) -> None:
    """Removes what `write_results` wrote: where a fold begins again, they describe a model that no longer exists."""
    for name in (REPORT, SUMMARY, FINAL, DETAILED, BY_SOURCE, *task.further_files):
        (folder / name).unlink(missing_ok=True)
    shutil.rmtree(folder / "figures", ignore_errors=True)


def _mark(run: RunFolder) -> dict[str, str]:
    """What a reader must know before the scores."""
    rule = run.splits_rule
    return {"warning": RANDOM_SLICES} if rule is not None and is_random_slices(rule) else {}


def _warnings(run: RunFolder) -> list[str]:
    """The warnings of the run, from its log."""
    path = run.root / "log.txt"
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else []
    marked = (line.partition(" WARNING ")[2] for line in lines)
    return grouped(warning for warning in marked if warning)
