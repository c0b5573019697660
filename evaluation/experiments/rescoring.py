"""Scores of the predictions that lie in a run folder, made again from its files."""

import functools
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from pneumoseg.data_io.datasets.dataset import Dataset
from pneumoseg.data_io.datasets.loaded_case import LoadedCase
from pneumoseg.data_io.storage.atomic import folder_aside
from pneumoseg.evaluation.experiments.case_measurement import measure_case
from pneumoseg.evaluation.experiments.run_results import CrossValidation, collect_results, write_fold
from pneumoseg.evaluation.experiments.task import ScoredCase, Task
from pneumoseg.evaluation.figures.case_pictures import move_pictures
from pneumoseg.evaluation.runs import run_folder
from pneumoseg.evaluation.runs.run_folder import RunFolder
from pneumoseg.evaluation.runs.splits import Split


def score_again(
    run: RunFolder,
    dataset: Dataset,
    splits: Sequence[Split],
    *,
    task: Task,
    model_choice: str,
    show_cases: bool = True,
) -> CrossValidation:
    """Scores the predictions that lie in a run folder again, and writes its tables, figures and report.

    `show_cases`: whether cases are drawn and the report shows them; without, it may be published where CTs may not.

    Folds that are not finished are left as they are. Each file is read once, one case at a time; what is drawn waits
    aside until all is scored. Raises InputError, and replaces nothing, where no fold is finished, a prediction is
    missing or bad, or a process writes in a fold.
    """
    tested = {fold: dataset.select(split.test) for fold, split in enumerate(splits) if run.finished(fold)}
    with run_folder.logged_to(run.root / "log.txt"), ExitStack() as stack:
        for fold in tested:
            stack.enter_context(run.writing(fold))
        scored: dict[int, list[ScoredCase]] = {}
        aside: dict[int, Path] = {}
        for fold, cases in tested.items():
            if show_cases:
                aside[fold] = stack.enter_context(folder_aside(run.fold(fold) / "figures"))
            measure = functools.partial(measure_case, run, fold, task, pictures=aside.get(fold))
            scored[fold] = [measure(LoadedCase(case, task.labels)) for case in cases]
        for fold in tested:
            if show_cases:
                move_pictures(aside[fold], run.fold(fold) / "figures")
            write_fold(run.fold(fold), scored[fold], task)
        return collect_results(run, splits, task, model_choice=model_choice, show_cases=show_cases)
