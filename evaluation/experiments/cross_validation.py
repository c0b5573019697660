"""Cross-validation: every case is predicted by a model that has not seen it.

Depends on a method that can fit cases and predict others (the `Method` protocol), and on nothing else about it.
"""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pandas as pd

from pneumoseg.data_io.console import log
from pneumoseg.data_io.datasets.dataset import Case, Dataset, named
from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.nifti import write_label_nifti
from pneumoseg.data_io.formats.reading import read_labels
from pneumoseg.data_io.volumes.labels import LabelTable
from pneumoseg.data_io.volumes.volume import Volume, on_grid_of
from pneumoseg.evaluation.figures.case_pictures import draw_case
from pneumoseg.evaluation.figures.fitting_curves import fitting_curves, read_history
from pneumoseg.evaluation.figures.saving import save_figure
from pneumoseg.evaluation.report.results import remove_results, write_results
from pneumoseg.evaluation.runs import run_folder, splits
from pneumoseg.evaluation.runs.run_folder import RunFolder
from pneumoseg.evaluation.runs.splits import Split
from pneumoseg.evaluation.scoring import files, tables
from pneumoseg.evaluation.scoring.case_scores import CaseScores, check_tolerances, score_case
from pneumoseg.pipeline.models.model_file import TrainedModel


class Method(Protocol):
    """What cross-validation needs of a method: `methods.segmenter.Segmenter` is one."""

    @property
    def labels(self) -> LabelTable:
        """The classes it segments."""

    @property
    def seed(self) -> int:
        """The seed it was given, for the record."""

    @property
    def model_choice(self) -> str:
        """How it chooses the model that counts, in words: what was looked at, and that it was no test case."""

    def describe(self) -> str:
        """Its settings as YAML text."""

    def prepare(self, cases: Dataset) -> Any:
        """Reads and checks every case, so that a bad one is reported before hours of training."""

    def fit(self, cases: Dataset, folder: Path, *, resume: bool = False, start_from: TrainedModel | None = None) -> Any:
        """Trains on `cases`, keeps its files in `folder` and returns a model."""

    def predict(self, model: Any, image: Volume) -> Volume:
        """Class numbers on the image's grid."""


STARTED_ELSEWHERE = (
    "; but every fold began with the weights of another model, which may have been trained on its test cases"
)
"""What the choice of the model leaves open where a run has a model to start from."""


@dataclass(frozen=True, eq=False)
class CrossValidation:
    """Scores per fold x case x class (`detailed`) and per fold x class (`final`), of the folds finished so far."""

    run: RunFolder
    detailed: pd.DataFrame
    final: pd.DataFrame
    complete: bool


@dataclass(frozen=True, eq=False)
class _Experiment:
    """What all folds of a run share."""

    run: RunFolder
    dataset: Dataset
    method: Method
    start_from: TrainedModel | None
    tolerances_mm: Mapping[str, float] | None


def cross_validate(
    dataset: Dataset,
    chosen: Sequence[Split],
    method: Method,
    *,
    output: str | Path,
    folds: Sequence[int] | None = None,
    resume: bool = False,
    overwrite: bool = False,
    start_from: TrainedModel | None = None,
    tolerances_mm: Mapping[str, float] | None = None,
) -> CrossValidation:
    """Fits and measures `method` on each split and writes the run folder `output`.

    `folds`: only these (several processes may share a run folder; the one that finishes the last fold writes the
    cv_results); with `overwrite` these alone begin again, and the cv_results are removed until they are finished.
    `resume`: keep what is finished and go on at the last whole epoch. `start_from`: the model whose weights every fold
    begins with; it is warned of, as it may have seen test cases. `tolerances_mm`: of the surface Dice by class, on top
    of `surface.TOLERANCES_MM`. Raises InputError as `run_folder.open_run`, and where a fold number does not exist, a
    fold is done already, or a tolerance belongs to no class.
    """
    check_folds(folds, len(chosen))
    check_tolerances(tolerances_mm, method.labels)
    wanted = list(range(len(chosen)) if folds is None else dict.fromkeys(folds))
    joins = folds is not None
    run_folder.check_flags(resume, overwrite)
    run_folder.check_output(output, resume or joins, overwrite and not joins)
    method.prepare(dataset)
    run = run_folder.open_run(
        output,
        method.describe(),
        splits.to_json(chosen),
        fingerprints=run_folder.fingerprints_of(dataset),
        seed=method.seed,
        start_from=start_from.sha256 if start_from else None,
        resume=resume or joins,
        overwrite=overwrite and not joins,
    )
    shared = _Experiment(run, dataset, method, start_from, tolerances_mm)
    with run_folder.logged_to(run.root / "log.txt"):
        if start_from is not None:
            log.warning(
                "every fold begins with the weights of the start model; where that was trained on test "
                "cases of this run, the scores are too good"
            )
        for fold in wanted:
            _one_fold(shared, fold, chosen[fold], resume, overwrite and joins)
        return _results(run, chosen, method.model_choice)


def score_again(
    run: RunFolder,
    dataset: Dataset,
    chosen: Sequence[Split],
    *,
    labels: LabelTable,
    model_choice: str,
    tolerances_mm: Mapping[str, float] | None = None,
    show_cases: bool = True,
) -> CrossValidation:
    """Scores the predictions that lie in a run folder anew, and writes its tables, figures and report.

    `show_cases`: whether cases are drawn and the report shows them; without, it may be published where CTs may not.

    Folds that are not finished are left as they are. Raises InputError, and replaces nothing, where no fold is
    finished, a prediction is missing or bad, a process writes in a fold, or a tolerance belongs to no class.
    """
    check_tolerances(tolerances_mm, labels)
    tested = {fold: dataset.select(split.test) for fold, split in enumerate(chosen) if run.finished(fold)}
    with run_folder.logged_to(run.root / "log.txt"), ExitStack() as held:
        for fold in tested:
            held.enter_context(run.writing(fold))
        scored = {fold: _score_fold(cases, run, fold, labels, tolerances_mm) for fold, cases in tested.items()}
        for fold, cases in tested.items():
            if show_cases:
                _draw_fold(cases, run, fold, labels)
            files.write_scores(run.fold(fold), scored[fold], labels)
        return _results(run, chosen, model_choice, show_cases)


def _results(run: RunFolder, chosen: Sequence[Split], model_choice: str, show_cases: bool = True) -> CrossValidation:
    finished = [fold for fold in range(len(chosen)) if run.finished(fold)]
    if not finished:
        raise InputError(f"{run.root}: no fold is finished; nothing can be measured")
    detailed = pd.concat([tables.read_detailed(run.fold(fold) / files.METRICS) for fold in finished])
    detailed = detailed.reset_index(drop=True)
    _check_one_tolerance(run, detailed)
    complete = len(finished) == len(chosen)
    final = tables.final_table(detailed)
    if complete:
        if run.environment.get("start_from"):
            model_choice = model_choice.removesuffix(STARTED_ELSEWHERE) + STARTED_ELSEWHERE
        with run.writing():
            write_results(run, chosen, detailed, final=final, model_choice=model_choice, show_cases=show_cases)
    return CrossValidation(run, detailed, final, complete)


def _check_one_tolerance(run: RunFolder, detailed: pd.DataFrame) -> None:
    """Raises InputError where folds were scored with other tolerances than others: no mean can be taken of these."""
    for name, tolerances_mm in detailed.groupby("class")["nsd_tolerance_mm"]:
        if tolerances_mm.nunique() > 1:
            found = " and ".join(f"{value:g}" for value in sorted(tolerances_mm.dropna().unique()))
            raise InputError(
                f"{run.root}: the folds' surface Dice of {name} have tolerances of {found} mm; score all of them alike "
                f"with `report {run.root} DATA`, giving one tolerance of {name}",
                options=("tolerance",),
            )


def check_folds(folds: Sequence[int] | None, count: int) -> None:
    """Raises InputError where a fold is not one of 0 .. count - 1."""
    for fold in folds or ():
        if not 0 <= fold < count:
            raise InputError(f"fold {fold}: folds are 0..{count - 1}")


def _one_fold(shared: _Experiment, fold: int, split: Split, resume: bool, overwrite: bool) -> None:
    run, dataset, method = shared.run, shared.dataset, shared.method
    if overwrite:
        run_folder.clear(run.fold(fold))
        with run.writing():
            remove_results(run.root)  # of folds that are no longer all there
    with run.writing(fold):
        if run.finished(fold):
            if not resume:
                message = f"{run.fold(fold)}: the fold is finished; resume to keep it, or overwrite it"
                raise InputError(message, options=("resume", "overwrite"))
            log.info("fold %d is finished", fold)
            return
        if not resume and (run.fold(fold) / "history.csv").is_file():
            message = f"{run.fold(fold)}: the fold was begun; resume it or overwrite it"
            raise InputError(message, options=("resume", "overwrite"))
        log.info("fold %d: training on %s; testing on %s", fold, ", ".join(split.train), ", ".join(split.test))
        model = method.fit(dataset.select(split.train), run.fold(fold), resume=resume, start_from=shared.start_from)
        tested = dataset.select(split.test)
        for case in tested:
            path = run.prediction(fold, case.name)
            if not path.is_file():
                write_label_nifti(path, method.predict(model, case.read_image()), method.labels)
        draw_history(run.fold(fold))
        scored = _score_fold(tested, run, fold, method.labels, shared.tolerances_mm)
        _draw_fold(tested, run, fold, method.labels)
        files.write_scores(run.fold(fold), scored, method.labels)
        log.info("fold %d is finished", fold)


def _score_fold(
    cases: Dataset, run: RunFolder, fold: int, labels: LabelTable, tolerances_mm: Mapping[str, float] | None
) -> list[CaseScores]:
    scored = []
    for case in cases:
        _, reference, prediction = _read(case, run, fold, labels)
        scored.append(
            score_case(case.name, fold, reference, prediction=prediction, labels=labels, tolerances_mm=tolerances_mm)
        )
    return scored


def _draw_fold(cases: Dataset, run: RunFolder, fold: int, labels: LabelTable) -> None:
    for case in cases:
        title = f"{case.name}, fold {fold}"
        image, reference, prediction = _read(case, run, fold, labels)
        folder = run.fold(fold) / "figures"
        draw_case(folder, case.name, image, reference=reference, prediction=prediction, labels=labels, title=title)


def _read(case: Case, run: RunFolder, fold: int, labels: LabelTable) -> tuple[Volume, Volume, Volume]:
    """Image, reference and prediction on one grid; the prediction from its file: measured is what users find there."""
    image, reference = case.read_pair(labels)
    with named(case.name):
        prediction = read_labels(run.prediction(fold, case.name), labels, grid=case.grid)
        return image, reference, on_grid_of(reference, prediction, "reference and prediction")


def draw_history(folder: Path) -> None:
    """Draws `folder`/history.csv, where there is one, to fitting_curve.png."""
    path = folder / "history.csv"
    if path.is_file():
        save_figure(fitting_curves(read_history(path), title=folder.name), folder / "fitting_curve.png")
