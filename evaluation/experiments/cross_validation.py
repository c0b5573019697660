"""Cross-validation: every case is predicted by a model that has not seen it.

Depends on a method that can fit cases and predict others (`methods.protocol.Method`) and on a task that says how its
predictions are written, read and scored (`task.Task`), and on nothing else about them.
"""

from collections.abc import Sequence
from concurrent.futures import Executor, Future, as_completed
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from pneumoseg.data_io.console import listed, log
from pneumoseg.data_io.datasets.dataset import Dataset
from pneumoseg.data_io.datasets.loaded_case import LoadedCase
from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.volumes.labels import LabelTable
from pneumoseg.evaluation.experiments.case_measurement import measure_case
from pneumoseg.evaluation.experiments.mask_task import MaskTask
from pneumoseg.evaluation.experiments.run_results import CrossValidation, collect_results, remove_results, write_fold
from pneumoseg.evaluation.experiments.task import ScoredCase, Task
from pneumoseg.evaluation.figures.fitting_curves import draw_history
from pneumoseg.evaluation.runs import run_folder
from pneumoseg.evaluation.runs.run_environment import fingerprints_of
from pneumoseg.evaluation.runs.run_folder import RunFolder
from pneumoseg.evaluation.runs.splits import Split, to_json
from pneumoseg.evaluation.scoring.columns import Columns
from pneumoseg.evaluation.scoring.sources import POSITIVE_ML
from pneumoseg.pipeline.methods.protocol import ChecksTraining, Method
from pneumoseg.pipeline.models.model_file import TrainedModel
from pneumoseg.pipeline.runtime.executors import SerialExecutor
from pneumoseg.pipeline.runtime.spreading import result_of


@dataclass(frozen=True, eq=False)
class _Experiment:
    """What all folds of a run share. `apart`: folds are computed side by side, and each has a log of its own, too."""

    run: RunFolder
    dataset: Dataset
    method: Method
    task: Task
    start_from: TrainedModel | None
    resume: bool
    overwrite: bool
    apart: bool


def cross_validate(
    dataset: Dataset,
    splits: Sequence[Split],
    method: Method,
    *,
    output: str | Path,
    task: Task | None = None,
    folds: Sequence[int] | None = None,
    resume: bool = False,
    overwrite: bool = False,
    start_from: TrainedModel | None = None,
    executor: Executor | None = None,
) -> CrossValidation:
    """Fits and measures `method` on each split and writes the run folder `output`.

    `task`: the kind of prediction; by default masks of `method.labels`, scored with `method.tolerances_mm` and
    `method.positive_ml` where there are any. `folds`: only these (several processes may
    share a run folder; the one that finishes the last fold writes the cv_results); with `overwrite` these alone begin
    again, and the cv_results are removed until they are finished. `resume`: keep what is finished and go on at the last
    whole epoch. `start_from`: the model whose weights every fold begins with; it is warned of, as it may have seen test
    cases. `executor`: where folds are computed, each as one piece of work; by default one after the other in this
    thread. Other processes need a method, a task and a start model that can be pickled, and the same working folder or
    absolute paths; `runtime.executors.local_processes` starts some, `runtime.dask_cluster` finds those of a cluster.
    There a fold whose process was lost goes on in another one, at its last whole epoch.

    Raises InputError as `run_folder.open_run`, where a fold number does not exist, a fold is done already, and where
    there is no task and the method has no labels; and where the method cannot learn from a fold's training cases, if it
    tells that beforehand (`protocol.ChecksTraining`). The first error of a fold ends the experiment: folds that have
    not begun are cancelled.
    """
    check_folds(folds, len(splits))
    task = _checked(_masks_of(method) if task is None else task)
    numbers = list(range(len(splits)) if folds is None else dict.fromkeys(folds))
    joins = folds is not None
    run_folder.check_flags(resume, overwrite)
    run_folder.check_output(output, resume or joins, overwrite and not joins, further_files=task.further_files)
    method.prepare(dataset)
    _check_training(method, dataset, {fold: splits[fold] for fold in numbers})
    run = run_folder.open_run(
        output,
        method.describe(),
        to_json(splits),
        fingerprints=fingerprints_of(dataset),
        seed=method.seed,
        start_from=start_from.sha256 if start_from else None,
        resume=resume or joins,
        overwrite=overwrite and not joins,
        further_files=task.further_files,
    )
    if executor is not None and not (resume or overwrite):
        for fold in numbers:
            _refuse_begun(run, fold)
    experiment = _Experiment(
        run=run,
        dataset=dataset,
        method=method,
        task=task,
        start_from=start_from,
        resume=resume or executor is not None,
        overwrite=overwrite and joins,
        apart=executor is not None,
    )
    with run_folder.logged_to(run.root / "log.txt"):
        if start_from is not None:
            log.warning(
                "every fold begins with the weights of the start model; where that was trained on test "
                "cases of this run, the scores are too good"
            )
        _compute(experiment, {fold: splits[fold] for fold in numbers}, executor or SerialExecutor())
        return collect_results(run, splits, task, model_choice=method.model_choice)


def _masks_of(method: Method) -> MaskTask:
    labels = getattr(method, "labels", None)
    if not isinstance(labels, LabelTable):
        raise InputError(
            f"a method without labels needs a task, found {type(method).__name__} without either; give task=..., or "
            "the method a LabelTable as labels"
        )
    return MaskTask(labels, getattr(method, "tolerances_mm", None), getattr(method, "positive_ml", POSITIVE_ML))


def _checked(task: Task) -> Task:
    """The task. Raises InputError where it has no columns, before anything is computed for it."""
    if not isinstance(getattr(task, "columns", None), Columns):
        raise InputError(f"a task has `columns`, a Columns of scoring.columns; found none in {type(task).__name__}")
    return task


def _check_training(method: Method, dataset: Dataset, splits: dict[int, Split]) -> None:
    """Raises InputError, before anything is trained, for a fold whose training cases a method that tells it
    (`protocol.ChecksTraining`) cannot learn from."""
    if not isinstance(method, ChecksTraining):
        return
    for fold, split in splits.items():
        try:
            method.check_training(dataset.select(split.train))
        except InputError as error:
            raise InputError(f"fold {fold}: {error}", options=error.options) from error


def check_folds(folds: Sequence[int] | None, count: int) -> None:
    """Raises InputError where a fold is not one of 0 .. count - 1."""
    for fold in folds or ():
        if not 0 <= fold < count:
            raise InputError(f"fold {fold}: folds are 0..{count - 1}")


def _compute(experiment: _Experiment, splits: dict[int, Split], executor: Executor) -> None:
    """Computes the folds; raises the first error."""
    futures: dict[Future[None], int] = {}
    try:
        for fold, split in splits.items():
            future = executor.submit(_compute_fold, experiment, fold, split)
            futures[future] = fold
            if future.done():  # a serial executor: the next fold must not begin after an error
                future.result()
        for future in as_completed(futures):
            result_of(future, f"fold {futures[future]}")
    finally:
        for future in futures:
            future.cancel()  # without effect on those that are done


def _compute_fold(experiment: _Experiment, fold: int, split: Split) -> None:
    """One fold as a piece of work; in another process its messages are added to the run's log from there."""
    run, folder = experiment.run, experiment.run.fold(fold)
    with run_folder.logged_to(run.root / "log.txt"):
        if experiment.overwrite:
            run_folder.clear(folder)
            with run.writing():
                remove_results(run.root, experiment.task)  # of folds that are no longer all there
        with run_folder.logged_to(folder / "log.txt") if experiment.apart else nullcontext():
            _one_fold(experiment, fold, split)


def _refuse_begun(run: RunFolder, fold: int) -> None:
    """Raises InputError where the fold is finished or was begun."""
    folder = run.fold(fold)
    if run.finished(fold):
        message = f"{folder}: the fold is finished; resume to keep it, or overwrite it"
        raise InputError(message, options=("resume", "overwrite"))
    if (folder / "history.csv").is_file() or any((folder / "predictions").glob("*")):
        message = f"{folder}: the fold was begun; resume it or overwrite it"
        raise InputError(message, options=("resume", "overwrite"))


def _one_fold(experiment: _Experiment, fold: int, split: Split) -> None:
    run, dataset, method, task = experiment.run, experiment.dataset, experiment.method, experiment.task
    folder, resume = run.fold(fold), experiment.resume
    with run.writing(fold):
        if not resume:
            _refuse_begun(run, fold)
        elif run.finished(fold):
            log.info("fold %d is finished", fold)
            return
        sides = [f"{len(names)} cases ({listed(names)})" for names in (split.train, split.test)]
        log.info("fold %d: training on %s; testing on %s", fold, *sides)
        model = method.fit(dataset.select(split.train), folder, resume=resume, start_from=experiment.start_from)
        draw_history(folder)
        scored: list[ScoredCase] = []
        for case in dataset.select(split.test):
            scored.append(_tested(experiment, fold, model, LoadedCase(case, task.labels)))
        write_fold(folder, scored, task)
        log.info("fold %d is finished", fold)


def _tested(experiment: _Experiment, fold: int, model: object, case: LoadedCase) -> ScoredCase:
    """A test case predicted, unless an interrupted run has done that, and measured; its volumes are read once."""
    run, task = experiment.run, experiment.task
    path = run.prediction(fold, task.file_name(case.name))
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        task.write(path, experiment.method.predict(model, case))
    return measure_case(run, fold, task, case, pictures=run.fold(fold) / "figures")
