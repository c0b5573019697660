"""Small datasets and a way to run commands as a person does."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from typer.testing import CliRunner, Result

from pneumoseg.data_io.phantoms.generate import write_phantoms
from pneumoseg.scripts.cli import app

TINY = [
    "preprocessing.spacing_mm=[10, 10, 12]",  # near that of the phantoms: finer ones would be a hundred times the tiles
    "patches.shape=[16, 16, 8]",
    "network.filters=[4, 8]",
    "training.epochs=2",
    "training.steps_per_epoch=2",
    "training.workers=0",
    "evaluation.folds=2",
]


@pytest.fixture(scope="session")
def phantoms(tmp_path_factory) -> Path:
    """Four small phantoms, folder per case; not to be changed."""
    folder = tmp_path_factory.mktemp("phantoms") / "data"
    write_phantoms(folder, 4, shape=(32, 32, 24), seed=1)
    return folder


@pytest.fixture(autouse=True)
def unrendered_unless_asked_for(request):
    """Figures of commands are made but not rendered, unless a test takes `rendered`."""
    if "rendered" not in request.fixturenames:
        request.getfixturevalue("unrendered")


@pytest.fixture
def rendered():
    """Figures are really drawn."""


@pytest.fixture
def pneumoseg(tmp_path, monkeypatch):
    """A function that runs `pneumoseg` in this process, as a process starts in seconds, and returns what it printed."""
    monkeypatch.setenv("PNEUMOSEG_CACHE", str(tmp_path / "cache"))

    def run(*arguments, code: int = 0) -> Result:
        done = CliRunner().invoke(app, [str(argument) for argument in arguments])
        assert done.exit_code == code, done.output
        return done

    return run


@pytest.fixture
def tiny() -> list[str]:
    """Flags for a network that trains in seconds."""
    return ["--preset", "demo", *(part for change in TINY for part in ("--set", change))]


@pytest.fixture
def save_pair():
    """A function that writes a case of the folder-per-case layout from image and mask arrays."""

    def save(folder: Path, image, mask, affine=None, mask_affine=None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        affine = np.diag([2.0, 2.0, 3.0, 1.0]) if affine is None else affine
        nib.save(nib.Nifti1Image(image, affine), folder / "imaging.nii.gz")
        nib.save(nib.Nifti1Image(mask, affine if mask_affine is None else mask_affine), folder / "segmentation.nii.gz")

    return save
