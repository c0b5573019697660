"""Runs that were trained for different scores, compared under every score: training times, curves, splits.

The folder: figures/training_curves.png, scores.csv (one row per run and class), metric_comparison.html and at last
metric_comparison.csv (one row per run).
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.storage.csv_files import write_table
from pneumoseg.evaluation.experiments.run_comparison import score_table
from pneumoseg.evaluation.figures.fitting_curves import VALIDATION, read_history
from pneumoseg.evaluation.figures.saving import save_figure
from pneumoseg.evaluation.figures.training_curves import LOSS, RunCurves, training_curves
from pneumoseg.evaluation.report.metric_page import COMPARED, write_metric_page
from pneumoseg.evaluation.runs.output_guard import check_output_free
from pneumoseg.evaluation.runs.run_folder import open_finished
from pneumoseg.evaluation.scoring.mask_columns import LESIONS, MASK_COLUMNS
from pneumoseg.evaluation.scoring.pooled import POOLED, read_pooled
from pneumoseg.evaluation.scoring.tables import ALL_FOLDS, per_case, read_detailed
from pneumoseg.pipeline.settings.loading import load_settings
from pneumoseg.pipeline.settings.prediction import is_random_slices
from pneumoseg.pipeline.settings.schema import EvaluationSettings, Settings
from pneumoseg.pipeline.settings.training import history_name

TABLE, SCORES, PAGE, CURVES = "metric_comparison.csv", "scores.csv", "metric_comparison.html", "training_curves.png"
REPORT = "report.html"

TEST_SCORES = {
    "accuracy": "accuracy", "iou": "iou", "dice": "dice", "f1": "dice", "precision": "precision",
    "recall": "sensitivity", "jaccard-distance": "jaccard_distance",
}  # fmt: skip
"""The score of test cases that is the same as a metric of training; other metrics are losses."""

BY_PATIENT = ("kfold", "hold-out", "leave-one-out")
"""Rules of splits that keep the cases of a patient together."""


@dataclass(frozen=True, eq=False)
class MetricComparison:
    """`trainings`: one row per run; `scores`: one row per run and class, but the background; `curves`: the trainings
    of each run; `choices`: how each run chose its models, in words; `paths`: of the runs, by name."""

    trainings: pd.DataFrame
    scores: pd.DataFrame
    curves: tuple[RunCurves, ...]
    choices: Mapping[str, str]
    paths: Mapping[str, Path]


def check_output(output: Path, overwrite: bool = False) -> None:
    """Raises InputError where a comparison cannot be written to `output`, as `check_output_free`."""
    check_output_free(output, TABLE, others=(SCORES, PAGE), marks=(SCORES,), overwrite=overwrite)


def compare_metrics(runs: Mapping[str, Path]) -> MetricComparison:
    """Compares finished runs of masks, by name (as of `run_comparison.runs_by_name`).

    Reads settings.yaml, fold_K/history.csv (runs without a training have none), cv_results.detailed.csv, pooled.csv
    (missing in runs of earlier versions) and summary.json. The test score of `trainings` is that of the infection, or
    of the last class.

    Raises InputError where one of them is no run, is not finished, or has files with another content.
    """
    trainings: list[dict] = []
    scores: list[pd.DataFrame] = []
    curves: list[RunCurves] = []
    choices: dict[str, str] = {}
    for name, path in runs.items():
        run = open_finished(path)
        settings = load_settings(path / "settings.yaml")
        folds = sorted(path.glob("fold_*/history.csv"), key=lambda file: (len(file.parent.name), file.parent.name))
        trained = _curves(name, [read_history(file) for file in folds], settings)
        tested = _scores_by_class(name, path, split_rule(settings.evaluation))
        trainings.append(_training(trained, tested, settings))
        scores.append(tested)
        curves.append(trained)
        choices[name] = run.summary.get("model choice", "not recorded")
    if not trainings:
        raise InputError("a comparison of metrics needs at least one run, found none")
    together = pd.concat(scores, ignore_index=True)
    return MetricComparison(pd.DataFrame(trainings), together, tuple(curves), choices, dict(runs))


def write_metric_comparison(comparison: MetricComparison, output: Path, *, overwrite: bool = False) -> None:
    """Writes the folder of a comparison. Raises InputError as `check_output`."""
    check_output(output, overwrite)
    picture = output / "figures" / CURVES
    picture.unlink(missing_ok=True)  # of an earlier comparison, perhaps of other runs
    drawn = any(run.histories for run in comparison.curves)
    if drawn:
        save_figure(training_curves(comparison.curves), picture, dpi=100)
    write_table(comparison.scores, output / SCORES)
    reports = {
        name: link for name, path in comparison.paths.items() if (link := _link(path / REPORT, output)) is not None
    }
    write_metric_page(
        output / PAGE,
        comparison.trainings,
        comparison.scores,
        choices=comparison.choices,
        reports=reports,
        curves=picture if drawn else None,
    )
    write_table(comparison.trainings, output / TABLE)  # last: its presence says that all the rest is there


def split_rule(evaluation: EvaluationSettings) -> str:
    """How cases were split, in words: by patient, by slice, or as a list of cases says.

    >>> split_rule(EvaluationSettings()), split_rule(EvaluationSettings(splits="slices:0.7,0.2,0.1"))
    ('patient-wise (kfold)', 'slice-wise (slices:0.7,0.2,0.1)')
    """
    if is_random_slices(evaluation.splits):
        return f"slice-wise ({evaluation.splits})"
    rule = evaluation.splits.partition(":")[0]
    if rule not in BY_PATIENT:
        return rule
    apart = "patient-wise, look-alikes together" if evaluation.groups == "content" else "patient-wise"
    return f"{apart} ({evaluation.splits})"


def kept_epoch(history: pd.DataFrame, settings: Settings) -> int | None:
    """The row of the epoch whose weights were kept; None where the history lacks the monitored score.

    The smallest or the largest, as `TrainingSettings.best` says: the first one among equals; without a monitor the last
    epoch.
    """
    training = settings.training
    if training.monitor == "none":
        return len(history) - 1
    column = _column(training.best, validation=training.monitor == "validation")
    if column not in history or history[column].isna().all():
        return None
    return int(history[column].argmin() if training.best_is_smallest else history[column].argmax())


def _curves(name: str, histories: list[pd.DataFrame], settings: Settings) -> RunCurves:
    """`score`: what chose the epoch, or the first metric of the training that is a score of test cases, or the loss."""
    training = settings.training
    possible = [metric for metric in (training.best, *training.metrics) if metric in TEST_SCORES]
    recorded = [metric for metric in possible if all(_column(metric) in history for history in histories)]
    best = [None if (row := kept_epoch(history, settings)) is None else int(history["epoch"][row])
            for history in histories]  # fmt: skip
    return RunCurves(name, histories, _column(recorded[0]) if recorded else LOSS, best)


def _training(run: RunCurves, tested: pd.DataFrame, settings: Settings) -> dict[str, object]:
    """The row of one run in the table of trainings."""
    kept = [
        history[history["epoch"] == best].iloc[0]
        for history, best in zip(run.histories, run.best, strict=True)
        if best is not None
    ]
    test_score = {_column(metric): score for metric, score in TEST_SCORES.items()}.get(run.score, MASK_COLUMNS.main)
    classes = list(tested["class"])
    shown = next((name for name in LESIONS if name in classes), classes[-1])
    row = tested.set_index("class").loc[shown]
    return {
        "run": run.name,
        "splits": split_rule(settings.evaluation),
        "loss": settings.loss.name,
        "monitored": f"{settings.training.monitor} {settings.training.best}"
        if settings.training.monitor != "none"
        else "last epoch",
        "folds": len(run.histories),
        "minutes": _mean([history["seconds"].sum() / 60 for history in run.histories if "seconds" in history]),
        "epochs": _mean([len(history) for history in run.histories]),
        "score": run.score,
        "training": _mean([epoch.get(run.score, np.nan) for epoch in kept]),
        "validation": _mean([epoch.get(VALIDATION + run.score, np.nan) for epoch in kept]),
        "test_score": test_score,
        "test_mean": row[f"{test_score}_mean"],
        "test_pooled": row[f"{test_score}_pooled"],
        "class": shown,
    }


def _scores_by_class(name: str, run: Path, splits: str) -> pd.DataFrame:
    """A row per class but the background: the mean over cases and the pooled score of each of COMPARED."""
    cases = per_case(read_detailed(score_table(run)), COMPARED)
    pooled = {}
    if (run / POOLED).is_file():
        table = read_pooled(run / POOLED)
        pooled = {row["class"]: row for row in table[table["fold"] == ALL_FOLDS].to_dict("records")}
    rows = []
    for key, members in cases.groupby(level="class", sort=False):
        if key in MASK_COLUMNS.left_out:
            continue
        row = {"run": name, "splits": splits, "class": key, "cases": len(members)}
        for score in COMPARED:
            row[f"{score}_mean"] = members[score].mean()
            row[f"{score}_pooled"] = pooled.get(key, {}).get(score, np.nan)
        rows.append(row)
    if not rows:
        raise InputError(f"{run}: a run of masks has scores of a class beside the background, found none")
    return pd.DataFrame(rows)


def _column(metric: str, validation: bool = False) -> str:
    """The column of history.csv that holds a metric."""
    return (VALIDATION if validation else "") + history_name(metric)


def _mean(values: list[float]) -> float:
    known = [value for value in values if not pd.isna(value)]
    return float(np.mean(known)) if known else float("nan")


def _link(report: Path, output: Path) -> str | None:
    """The path of a report from the page in `output`, where it is below one of the two folders around that: a longer
    way would tell how this machine's folders are named."""
    page = Path(os.path.abspath(output))
    target = Path(os.path.abspath(report))
    near = any(target.is_relative_to(folder) for folder in (page.parent, page.parent.parent))
    return Path(os.path.relpath(target, page)).as_posix() if near and target.is_file() else None
