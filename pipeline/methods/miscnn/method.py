"""MIScnn 1.4.0 as a method that cross-validation can measure: what it reads and writes lies in files, it runs apart."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np

from pneumoseg.data_io.console import listed, log, track
from pneumoseg.data_io.datasets.dataset import Dataset
from pneumoseg.data_io.datasets.loaded_case import LoadedCase
from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.reading import read_labels
from pneumoseg.data_io.storage.csv_files import read_table, write_table
from pneumoseg.data_io.volumes.volume import Volume
from pneumoseg.pipeline.methods.miscnn.configuration import configuration
from pneumoseg.pipeline.methods.miscnn.environment import MISCNN, REQUIREMENTS, environment
from pneumoseg.pipeline.methods.protocol import ConfiguredSegmentation
from pneumoseg.pipeline.models.model_file import TrainedModel
from pneumoseg.pipeline.settings.loading import settings_yaml
from pneumoseg.pipeline.settings.schema import Settings

WORKER = Path(__file__).with_name("worker.py")
WORK_FOLDER = ".miscnn"
SPACING_TOLERANCE = 0.05
"""Share of the spacing that MIScnn may miss on a grid that is turned: 7 degrees make it 1 per cent, 18 degrees 5."""
COLUMNS = {"tversky_loss": "tversky", "dice_soft": "soft_dice"}
"""MIScnn's names of metrics and ours, where they differ."""


@dataclass(frozen=True)
class MiscnnReference(ConfiguredSegmentation):
    """MIScnn with these settings. `environment_folder`: where it is installed, or is to be.

    Its model is the path of a weights file. Raises InputError, naming each setting that MIScnn cannot express.
    """

    settings: Settings
    environment_folder: Path

    def __post_init__(self):
        configuration(self.settings)

    @property
    def model_choice(self) -> str:
        """How the model that counts is chosen, in words."""
        if self.settings.training.monitor == "none":
            return "none: MIScnn's weights of the last epoch"
        return "MIScnn's weights of the epoch with the smallest training loss; the test cases were not looked at"

    def describe(self) -> str:
        """All settings as YAML, under a comment that says whose run it is."""
        pins = [line for line in REQUIREMENTS.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
        return f"# Trained and predicted by {MISCNN} with {' '.join(pins)}\n{settings_yaml(self.settings)}"

    def prepare(self, cases: Dataset) -> Path:
        """Reads every case once, so that a bad one is reported at once; makes the environment if needed.

        A warning names cases with voxels that do not count, which MIScnn trains on. Raises InputError for a case
        without some of the classes, which it would take for background.
        """
        for case in cases:
            if case.labelled:
                found = " ".join(case.labelled)
                message = f"case {case.name}: MIScnn needs masks of all classes, found labels_present {found}"
                raise InputError(f"{message}; leave such cases out")
        if valid := [case.name for case in cases if case.valid]:
            log.warning("MIScnn trains on all voxels, also those outside the valid masks of %s", listed(valid))
        for case in track(list(cases), "Reading the cases", len(cases)):
            image, _ = case.read_pair(self.labels)
            _check_case(case.name, image)
        return environment(self.environment_folder)

    def fit(
        self, cases: Dataset, folder: Path, *, resume: bool = False, start_from: TrainedModel | None = None
    ) -> Path:
        """Trains on `cases`; writes `folder`/model.hdf5, history.csv and miscnn.log (what MIScnn printed).

        With `resume` a finished model is kept; an unfinished training begins again. Raises InputError where MIScnn
        fails, with the last line of its output.
        """
        if start_from is not None:
            raise InputError("MIScnn cannot begin with a model of this program; omit the start model")
        weights = folder / "model.hdf5"
        if resume and weights.is_file():
            return weights
        shutil.rmtree(folder / "predictions", ignore_errors=True)  # earlier weights', which would be kept
        if (folder / "miscnn.log").is_file():
            log.info("%s: MIScnn cannot go on within a training; this one begins again", folder.name)
            (folder / "miscnn.log").unlink()
        with _work_folder(folder) as work:
            for case in track(list(cases), "Writing the cases for MIScnn", len(cases)):
                _write_case(work / "data" / case.name, *case.read_pair(self.labels))
            self._run(folder, work, "train", [case.name for case in cases], work / weights.name)
            self._write_history(work / "history.csv", folder / "history.csv")
            os.replace(work / weights.name, weights)
        return weights

    def predict(self, model: Path, case: LoadedCase) -> Volume:
        """Class numbers on the grid of the case's image, with the weights file `model`."""
        image = case.image
        with _work_folder(model.parent) as work:
            _write_case(work / "data" / "case", image)
            self._run(model.parent, work, "predict", ["case"], model)
            mask = read_labels(work / "predictions" / "case.nii.gz", len(self.labels))
        # Turned as the image is, whatever became of the affine on the way.
        return image.with_array(Volume.from_source(mask.restore(), image.stored_grid.affine).array)

    def _run(self, folder: Path, work: Path, task: str, cases: list[str], weights: Path) -> None:
        """Runs the worker; what it prints goes to `folder`/miscnn.log, lines about an epoch to our log as well."""
        job = {
            "task": task,
            "cases": cases,
            "data": str((work / "data").absolute()),
            "work": str(work.absolute()),
            "weights": str(weights.absolute()),
            "configuration": configuration(self.settings),
        }
        (work / "job.json").write_text(json.dumps(job, indent=2), encoding="utf-8")
        python, path = environment(self.environment_folder), folder / "miscnn.log"
        # -I: neither the variables nor the folder of this program say where MIScnn's packages are found.
        command = [python, "-I", WORKER, work.absolute() / "job.json"]
        last = "it printed nothing"
        with (
            open(path, "a", encoding="utf-8") as file,
            subprocess.Popen(
                [str(part) for part in command],
                # The worker ends when this pipe closes, as it does when this process dies.
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                cwd=work,
            ) as process,
        ):
            for line in process.stdout or ():
                file.write(line)
                file.flush()
                last = line.strip() or last
                if line.startswith("epoch "):
                    log.info("%s", line.strip())
        if process.returncode:
            raise InputError(f"MIScnn failed (exit {process.returncode}): {last}; all that it printed is in {path}")

    def _write_history(self, source: Path, target: Path) -> None:
        history = read_table(source).rename(columns=COLUMNS)
        metrics = [name.replace("-", "_") for name in self.settings.training.metrics]
        write_table(history[["epoch", "loss", "learning_rate", "seconds", *metrics]], target)


def _check_case(name: str, image: Volume) -> None:
    """Raises InputError for what MIScnn takes for something else: it reads the spacing off the affine's diagonal, and
    a last axis of one for the channel."""
    codes = image.stored_grid.axis_codes
    if not all(code in axis for code, axis in zip(codes, ("LR", "AP", "IS"), strict=True)):
        raise InputError(
            f"case {name}: MIScnn needs voxels in the order left-right, front-back, feet-head, found {codes}; store "
            "the image and its mask again in that order"
        )
    diagonal, spacing = np.abs(np.diag(image.stored_grid.affine)[:3]), np.array(image.stored_grid.spacing_mm)
    if (diagonal < (1 - SPACING_TOLERANCE) * spacing).any():
        raise InputError(
            f"case {name}: MIScnn takes the affine's diagonal for the spacing, so that axes must lie along the body's; "
            f"found {diagonal.round(2).tolist()} for {spacing.round(2).tolist()} mm: resample image and mask"
        )
    if image.stored_grid.shape[2] == 1:
        raise InputError(f"case {name}: MIScnn needs two slices or more, found one")


@contextmanager
def _work_folder(folder: Path) -> Iterator[Path]:
    """An empty hidden folder in `folder`, removed afterwards; what a killed run left there is removed before."""
    work = folder / WORK_FOLDER
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    try:
        yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _write_case(folder: Path, image: Volume, mask: Volume | None = None) -> None:
    """Writes a case as MIScnn's NIfTI interface reads it, voxels in the order of the case's own file."""
    folder.mkdir(parents=True)
    for name, volume, dtype in (("imaging", image, np.float32), ("segmentation", mask, np.uint8)):
        if volume is not None:
            array = volume.restore().astype(dtype, copy=False)
            nib.save(nib.Nifti1Image(array, volume.stored_grid.affine), folder / f"{name}.nii.gz")
