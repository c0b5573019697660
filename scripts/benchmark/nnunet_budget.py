"""nnU-Net 2.8 trained on the CPU for the same minutes as a fold of a run of this program, and scored on the same cases.

    python scripts/benchmark/nnunet_budget.py DATA RUN -o DIR --fold 0 --json nnunet.json
    python scripts/benchmark/nnunet_budget.py DATA RUN -o DIR --fold 0 --as-small --json nnunet-small.json

nnU-Net gets an environment of its own, DIR/environment (some GB, once). Its minutes are those of the fold's training in
RUN. By default it plans voxels, patch and network itself; `--as-small` gives it those of RUN. Voxels outside a case's
`valid` mask have its label "ignore". Training mirrors along all axes, as nnU-Net does by default; prediction does not.
"""

import json
import subprocess
import sys
import venv
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from pneumoseg.data_io.console import listed
from pneumoseg.data_io.datasets.dataset import Dataset
from pneumoseg.data_io.datasets.layouts import open_dataset
from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.nifti import write_ct_nifti, write_label_nifti
from pneumoseg.data_io.storage.csv_files import read_table
from pneumoseg.data_io.storage.json_files import read_json
from pneumoseg.data_io.volumes.labels import LUNG_LABELS, LabelTable
from pneumoseg.pipeline.settings.loading import load_settings
from pneumoseg.scripts.benchmark.ablation import CLASSES
from pneumoseg.scripts.benchmark.machine import report

NNUNET = "nnunetv2==2.8.1"
IGNORE = len(LUNG_LABELS)
VALID = LabelTable(("background", "valid"), ((0, 0, 0), (255, 255, 255)))


def nnunet_budget(
    data: Annotated[Path, typer.Argument(help="Data set, as of `pneumoseg kfold`.")],
    run: Annotated[Path, typer.Argument(help="Run folder of `pneumoseg kfold` on it.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder of environment, data and masks.")],
    fold: Annotated[int, typer.Option("--fold")] = 0,
    as_small: Annotated[bool, typer.Option("--as-small", help="Voxels, patch and width of RUN.")] = False,
    json_file: Annotated[Path | None, typer.Option("--json", help="Where the figures go.")] = None,
) -> None:
    """Trains nnU-Net and measures the fold's test cases."""
    minutes = read_table(run / f"fold_{fold}" / "history.csv")["seconds"].sum() / 60
    work = output / ("small" if as_small else "default")
    if not (work / "figures.json").is_file():
        dataset, split = open_dataset(data), read_json(run / "splits.json", "a file of splits", list)[fold]
        write_raw(work / "raw" / "Dataset001_ct", dataset.select(split["train"]), dataset.select(split["val"]))
        work.joinpath("size.json").write_text(json.dumps(size_of(run) if as_small else {}), encoding="utf-8")
        python = _environment(output / "environment")
        script = Path(__file__).with_name("nnunet_train.py")
        arguments = [work, work / "size.json", minutes, work / "figures.json"]
        subprocess.run([python, script, *map(str, arguments)], check=True)
    scores = work / "scores"
    command = [sys.executable, "-m", "pneumoseg.scripts.evaluate", "--reference", work / "references"]
    command += ["--prediction", work / "predictions", "-o", scores, "--overwrite", "--quiet"]
    subprocess.run(list(map(str, command)), check=True)
    dice = read_table(scores / "metrics.csv").groupby("class")["dice"].mean()
    figures = read_json(work / "figures.json", "the figures of a training", dict)
    figures |= {f"{column}_dice": round(float(dice[column]), 4) for column in CLASSES}
    report({f"nnU-Net 2.8.1, {work.name}": figures}, json_file)


def size_of(run: Path) -> dict:
    """Voxels, patch and width of this program's run, along z, y, x."""
    settings = load_settings(str(run / "settings.yaml"))
    return {
        "spacing": list(settings.preprocessing.spacing_mm or ())[::-1],
        "patch_size": list(settings.patches.shape or ())[::-1],
        "features_per_stage": list(settings.network.filters),
    }


def write_raw(folder: Path, training: Dataset, testing: Dataset) -> None:
    """Writes the cases as nnU-Net wants them, and those of the test as a data set to WORK/references. Raises
    InputError for cases without some classes, which it would take for background."""
    for part in ("imagesTr", "labelsTr", "imagesTs"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    references = folder.parents[1] / "references"
    if partly := [case.name for case in (*training, *testing) if case.labelled]:
        raise InputError(
            f"nnU-Net needs masks of all classes, found labels_present of {listed(partly)}; leave them out"
        )
    for case in training:
        image, mask = case.read_pair(LUNG_LABELS)
        valid = case.read_valid()
        labels = mask.array if valid is None else np.where(valid.array > 0, mask.array, np.uint8(IGNORE))
        write_ct_nifti(folder / "imagesTr" / f"{case.name}_0000.nii.gz", image)
        write_ct_nifti(folder / "labelsTr" / f"{case.name}.nii.gz", mask.with_array(labels))
    for case in testing:
        image, mask = case.read_pair(LUNG_LABELS)
        write_ct_nifti(folder / "imagesTs" / f"{case.name}_0000.nii.gz", image)
        folder_of_case = references / case.name
        write_ct_nifti(folder_of_case / "imaging.nii.gz", image)
        write_label_nifti(folder_of_case / "segmentation.nii.gz", mask, LUNG_LABELS)
        if (valid := case.read_valid()) is not None:
            write_label_nifti(folder_of_case / "valid.nii.gz", valid, VALID)
    names = {name: number for number, name in enumerate(LUNG_LABELS.names)} | {"ignore": IGNORE}
    description = {
        "channel_names": {"0": "CT"},
        "labels": names,
        "numTraining": len(training),
        "file_ending": ".nii.gz",
    }
    (folder / "dataset.json").write_text(json.dumps(description), encoding="utf-8")


def _environment(folder: Path) -> Path:
    """The Python of nnU-Net's environment, which is made where it is not there."""
    python, mark = folder / "bin" / "python", folder / "installed"
    if not mark.is_file():
        venv.create(folder, with_pip=True, clear=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", NNUNET], check=True)
        mark.touch()
    return python


if __name__ == "__main__":
    typer.run(nnunet_budget)
