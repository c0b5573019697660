"""What `kfold` and `train` run, by the kind of the data: networks that segment CTs and pictures, or networks that say
one thing of each whole study of a cohort file.

This file imports no heavy package, so that `--help` answers at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pneumoseg.data_io.errors import InputError
from pneumoseg.scripts.shared.command import refuse_flags
from pneumoseg.scripts.shared.options import Form, check_source_weights, dataset_and_splits, dataset_of, settings_of

if TYPE_CHECKING:
    from pneumoseg.data_io.datasets.dataset import Dataset
    from pneumoseg.evaluation.experiments.task import Task
    from pneumoseg.evaluation.runs.splits import Split
    from pneumoseg.pipeline.methods.protocol import Method
    from pneumoseg.pipeline.settings.schema import Settings
    from pneumoseg.pipeline.settings.studies import StudySettings

MASK_PRESET, STUDY_PRESET = "covid-3d-unet", "hrct-joint"
PresetOfData = Annotated[
    str | None,
    typer.Option(
        "--preset",
        help="Named preset or a settings YAML file.",
        show_default=f"{MASK_PRESET}, of a cohort file {STUDY_PRESET}",
    ),
]


@dataclass(frozen=True, eq=False)
class Experiment:
    """What is fitted to which cases. `splits`: none where one model is fitted to all cases. `task`: the kind of
    prediction, None for masks."""

    settings: "Settings | StudySettings"
    dataset: "Dataset"
    splits: "tuple[Split, ...]"
    method: "Method"
    task: "Task | None" = None


def experiment_of(
    data: Sequence[Path],
    preset: str | None,
    changes: list[str] | None,
    *,
    seed: int | None,
    splits: str | None = None,
    grid: Form | None = None,
    split: bool = True,
) -> Experiment:
    """The experiment that the flags of a command describe; with `split` false without splits. Raises InputError for
    settings, data and splits that do not fit."""
    if not is_cohort(data):
        return _of_masks(data, preset or MASK_PRESET, changes, seed=seed, splits=splits, grid=grid, split=split)
    refuse_flags(f"{data[0]}: the CTs of a cohort file were read by prepare", grid=grid)
    return _of_studies(data[0], preset or STUDY_PRESET, changes, seed=seed, splits=splits, split=split)


def is_cohort(data: Sequence[Path]) -> bool:
    """Whether the data are a cohort file. Raises InputError for one beside other data, and for the table of a cohort,
    which is to be prepared first."""
    from pneumoseg.data_io.datasets.cohort_file import SUFFIXES

    tables = [path for path in data if path.suffix.lower() == ".csv" and path.is_file()]
    if tables:
        raise InputError(
            f"{tables[0]}: a table of studies is prepared first: pneumoseg prepare {tables[0].name} -o cohort.h5"
        )
    cohorts = [path for path in data if path.suffix.lower() in SUFFIXES]
    if cohorts and len(data) > 1:
        raise InputError(f"one cohort file is needed, found {len(data)} datasets; prepare one of all studies")
    return bool(cohorts)


def _of_masks(data, preset, changes, *, seed, splits, grid, split) -> Experiment:
    from pneumoseg.pipeline.methods.segmenter import Segmenter

    settings = settings_of(preset, changes, seed=seed, splits=splits, grid=grid)
    if split:
        dataset, folds = dataset_and_splits(settings, data)
    else:
        dataset, folds = dataset_of(settings, data), ()
        check_source_weights(settings, dataset)
    return Experiment(settings, dataset, folds, Segmenter(settings))


def _of_studies(data: Path, preset, changes, *, seed, splits, split) -> Experiment:
    from pneumoseg.data_io.datasets.studies import open_cohort
    from pneumoseg.evaluation.experiments.study_task import StudyTask
    from pneumoseg.evaluation.runs.splits import make_splits
    from pneumoseg.pipeline.methods.study_method import StudyMethod
    from pneumoseg.pipeline.settings.loading import load_study_settings

    values = {"evaluation.splits": splits, "seed": seed}
    flags = [f"{key}={value}" for key, value in values.items() if value is not None]
    settings = load_study_settings(preset, [*(changes or []), *flags])
    dataset, rule = open_cohort(data), settings.evaluation
    folds = make_splits(rule.splits, dataset, folds=rule.folds, seed=settings.seed) if split else ()
    return Experiment(settings, dataset, folds, StudyMethod(settings), StudyTask())


def start_model(path: Path | None, experiment: Experiment, trust_plugins: bool):
    """The model that a training begins with, None without a path: of the experiment's kind, or, for networks for whole
    studies, a segmentation model, whose encoder they may take. Raises InputError where it cannot be loaded."""
    if path is None:
        return None
    from pneumoseg.pipeline.models.model_file import load_model
    from pneumoseg.pipeline.models.study_model import holds_study_model, load_study_model

    if experiment.task is not None and holds_study_model(path):
        return load_study_model(path)
    return load_model(path, trust_plugins)
