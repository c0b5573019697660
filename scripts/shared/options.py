"""The flags that several commands share, and the values that they stand for.

This file imports no heavy package, so that `--help` answers at once.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import typer

from pneumoseg.data_io.errors import InputError

DataFolders = Annotated[
    list[Path],
    typer.Argument(metavar="DATA", help="Folder of the dataset, or of each of several.", show_default=False),
]
Output = Annotated[Path, typer.Option("-o", "--output", help="Where the results go.", show_default=False)]
Classes = Annotated[
    int | None,
    typer.Option(
        "--classes",
        min=2,
        max=255,
        help="Number of classes, background included.",
        show_default="4, of pictures 2",
    ),
]
Masks = Annotated[str, typer.Option("--masks", help="Folder of the masks in a dataset of pictures.")]
Merge = Annotated[
    list[str] | None,
    typer.Option(
        "--merge", metavar="VALUE=CLASS", help="Class of a value in the masks; may be repeated.", show_default=False
    ),
]
Preset = Annotated[str, typer.Option("--preset", help="Named preset or a settings YAML file.")]
Set = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change one setting; may be repeated.")
]
Splits = Annotated[
    str | None,
    typer.Option(
        "--splits",
        help="kfold, published, hold-out:SHARE, leave-one-out, a JSON file of splits, or "
        "slices:TRAIN,VALIDATION,TEST: shares of single slices at random, whoever the patient is.",
    ),
]
Folds = Annotated[list[int] | None, typer.Option("--fold", help="Only this fold; may be repeated.")]
Tolerances = Annotated[
    list[str] | None,
    typer.Option(
        "--tolerance",
        metavar="CLASS=MM",
        help="Tolerance of a class's surface Dice; may be repeated. By default lungs 1 mm, infection 3 mm.",
        show_default=False,
    ),
]
Seed = Annotated[int | None, typer.Option("--seed", help="Seed of splits, patches and initial weights.")]
Form = Literal["sform", "qform"]
Grid = Annotated[
    Form | None,
    typer.Option("--grid", help="Which form of a NIfTI header counts where both are set.", show_default="sform"),
]
Part = Annotated[
    str | None,
    typer.Option(
        "--part",
        metavar="I/N",
        help="Every N-th CT or mask from the I-th on: N machines share them.",
        show_default=False,
    ),
]
Resume = Annotated[bool, typer.Option("--resume", help="Go on where an interrupted run stopped.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace existing results.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show settings and an estimate of the cost; do nothing.")]
Device = Annotated[Literal["auto", "cpu", "gpu"], typer.Option("--device", help="Where networks are computed.")]
Threads = Annotated[int | None, typer.Option("--threads", min=1, help="Processor threads; by default all cores.")]
TrustPlugins = Annotated[bool, typer.Option("--trust-plugins", help="Run functions that a model file names.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Only warnings and errors.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON on standard output.")]
Verbose = Annotated[bool, typer.Option("--verbose", help="Show the traceback of an error.")]


def use_device(device: Literal["auto", "cpu", "gpu"], threads: int | None) -> None:
    """Chooses processor or GPU and the number of threads; to be called before TensorFlow is imported.

    The choice goes through the environment, which every library and worker process reads. Raises InputError where a
    GPU is asked for and there is none.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if device == "cpu":
        os.environ.update(CUDA_VISIBLE_DEVICES="-1", JAX_PLATFORMS="cpu")
    if threads is not None:
        os.environ.update(
            OMP_NUM_THREADS=str(threads),
            OPENBLAS_NUM_THREADS=str(threads),
            TF_NUM_INTRAOP_THREADS=str(threads),
            TF_NUM_INTEROP_THREADS="1",
        )
    if device == "gpu":
        from pneumoseg.pipeline.runtime.hardware import gpu_available

        if not gpu_available():
            message = "the backend sees no GPU; use the processor (device cpu) or pip install 'pneumoseg[gpu]'"
            raise InputError(message, options=("device",))


def settings_of(
    preset: str,
    changes: list[str] | None = None,
    *,
    seed: int | None = None,
    splits: str | None = None,
    grid: Form | None = None,
):
    """The settings that the flags `--preset`, `--set`, `--seed`, `--splits` and `--grid` describe."""
    from pneumoseg.data_io.console import log
    from pneumoseg.evaluation.runs.splits import slice_shares
    from pneumoseg.pipeline.settings.loading import load_settings
    from pneumoseg.pipeline.settings.prediction import is_random_slices

    values = {"evaluation.splits": splits, "seed": seed, "data.grid": grid}
    flags = [f"{key}={value}" for key, value in values.items() if value is not None]
    settings = load_settings(preset, [*(changes or []), *flags])
    rule = settings.evaluation.splits
    if not is_random_slices(rule):
        return settings
    _, validation_share = slice_shares(rule)
    if validation_share and settings.training.monitor != "validation":
        log.warning(
            "%s: the slices for validation are trained on too, as training.monitor is %s",
            rule,
            settings.training.monitor,
        )
    if validation_share:
        share = f"training.validation_share={validation_share}"
        return load_settings(preset, [*(changes or []), *flags, share])
    if settings.training.monitor == "validation":
        raise InputError(
            f"training.monitor validation needs a share of cases for validation, found {rule}; set training.monitor to "
            "training or none"
        )
    return settings


def dataset_of(settings, data: Sequence[Path]):
    """The datasets in the folders as one, its cases and their patients as the settings say.

    With splits "slices:..." each case is a patient of its own, so that the validation is drawn from single cases too.
    """
    from pneumoseg.evaluation.runs.splits import without_patients
    from pneumoseg.pipeline.settings.prediction import is_random_slices

    dataset = _with_patients(settings, data)
    return without_patients(dataset) if is_random_slices(settings.evaluation.splits) else dataset


def dataset_and_splits(settings, data: Sequence[Path]):
    """The dataset as `dataset_of` gives it, and the splits that the settings describe, drawn where patients are known:
    random slices get a warning of those on both sides, as do pictures and slices whose patients are not known. Raises
    InputError as `check_source_weights`."""
    from pneumoseg.data_io.console import log
    from pneumoseg.data_io.datasets.dataset import names_its_patient
    from pneumoseg.evaluation.runs.splits import make_splits, without_patients
    from pneumoseg.pipeline.settings.prediction import is_random_slices

    rule, dataset = settings.evaluation, _with_patients(settings, data)
    check_source_weights(settings, dataset)
    splits = make_splits(
        rule.splits, dataset, folds=rule.folds, seed=settings.seed, stratify_by_source=rule.stratify_by_source
    )
    if is_random_slices(rule.splits):
        return without_patients(dataset), splits
    if rule.groups == "patient" and all(case.is_flat and names_its_patient(case) for case in dataset):
        log.warning(
            "%s: the patients of its pictures or slices are not known, and each counts as a patient of its own: some "
            "of one patient may be in training and in test; add patients.csv, or set evaluation.groups to content",
            dataset.root,
        )
    return dataset, splits


def check_source_weights(settings, dataset) -> None:
    """Raises InputError where `data.source_weights` names a source that no case of the dataset has."""
    sources = sorted({case.source for case in dataset if case.source})
    if unknown := [name for name, _ in settings.data.source_weights if name not in sources]:
        known = ", ".join(sources) or "not known"
        raise InputError(
            f"data.source_weights: the sources of the cases are {known}, found {', '.join(unknown)}",
            options=("data.source_weights",),
        )


def _with_patients(settings, data: Sequence[Path]):
    from pneumoseg.data_io.datasets.joined import join_datasets
    from pneumoseg.data_io.datasets.layouts import open_dataset
    from pneumoseg.data_io.datasets.near_duplicates import with_content_groups
    from pneumoseg.data_io.datasets.slices import slice_cases

    how = settings.data
    every = [open_dataset(one, grid=how.grid, merge=settings.labels.merge, masks=how.masks) for one in data]
    dataset = join_datasets(every)
    if how.cases == "slices":
        patches = settings.patches
        foreground = patches.foreground_labels if patches.empty == "drop" else None
        dataset = slice_cases(dataset, patches.axis, foreground=foreground, labels=settings.labels.table)
    if settings.patches.neighbours and (slices := [case.name for case in dataset if case.is_flat]):
        raise InputError(
            f"patches.neighbours needs volumes, found {len(slices)} cases of one slice, such as {slices[0]}; set 0"
        )
    return with_content_groups(dataset) if settings.evaluation.groups == "content" else dataset


def explored_dataset(
    data: Sequence[Path], classes: int | None, *, grid: Form | None, masks: str, merge: list[str] | None
):
    """The datasets in the folders as one, its cases with or without masks, and the number of its classes: that of the
    flag `--classes`, else 2 of pictures, whose masks have 0 and 255, and 4 of volumes."""
    from pneumoseg.data_io.datasets.joined import join_datasets
    from pneumoseg.data_io.datasets.layouts import open_dataset
    from pneumoseg.data_io.datasets.picture_layouts import PICTURES

    merged = merge_of(merge)
    dataset = join_datasets(
        [open_dataset(one, need_masks=False, grid=grid or "sform", masks=masks, merge=merged) for one in data]
    )
    return dataset, classes or (2 if dataset.layout == PICTURES else 4)


def merge_of(texts: list[str] | None) -> list[tuple[int, int]]:
    """Pairs of value and class that the flag `--merge` gives. Raises InputError for other texts, and for a value that
    is given twice."""
    pairs: dict[int, int] = {}
    for text in texts or []:
        value, _, number = text.partition("=")
        try:
            pair = int(value), int(number)
        except ValueError as error:
            raise InputError(f"--merge takes VALUE=CLASS, such as 3=1, found {text}") from error
        if pair[0] in pairs:
            raise InputError(f"--merge gives each value one class, found {pair[0]} twice")
        pairs |= [pair]
    return list(pairs.items())


def numbered_labels(classes: int):
    """The table of that number of classes: the lungs' four, else class_1, class_2 and so on."""
    from pneumoseg.data_io.formats.label_mapping import parse_labels
    from pneumoseg.data_io.volumes.labels import LUNG_LABELS

    if classes == len(LUNG_LABELS):
        return LUNG_LABELS
    return parse_labels([f"{number}=class_{number}" for number in range(1, classes)]).table


def tolerances_of(texts: list[str] | None) -> dict[str, float]:
    """The tolerances in mm by class that the flag `--tolerance` gives. Raises InputError for other texts."""
    tolerances_mm = {}
    for text in texts or []:
        name, equals, number = text.partition("=")
        try:
            tolerances_mm[name.strip()] = float(number)
        except ValueError:
            equals = ""
        if not equals or not 0 <= tolerances_mm[name.strip()] < float("inf"):
            raise InputError(f"--tolerance takes CLASS=MM, such as infection=3, found {text}")
    return tolerances_mm
