"""`pneumoseg verify` as a person at the terminal meets it."""

import json

import nibabel as nib
import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from pneumoseg.data_io.phantoms.slices import write_pictures, write_stack
from pneumoseg.scripts.verify import verify

app = typer.Typer()
app.command()(verify)


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def root(tmp_path):
    ct = np.random.default_rng(0).integers(-1000, 400, (4, 4, 12)).astype(np.int16)
    labels = (np.arange(ct.size) % 4).astype(np.uint8).reshape(ct.shape)
    (tmp_path / "a").mkdir()
    for stem, array in (("imaging", ct), ("segmentation", labels)):
        image = nib.Nifti1Image(array, np.eye(4))
        image.set_qform(np.eye(4), 1)
        nib.save(image, tmp_path / "a" / f"{stem}.nii.gz")
    return tmp_path


def test_sound_dataset(root):
    result = run(root)
    assert result.exit_code == 0
    assert result.stdout == "1 cases, 0 errors, 0 warnings (folder per case)\n"


def test_warning_alone_ends_well(root):
    nib.save(nib.Nifti1Image(np.zeros((4, 4, 12), np.uint8), np.eye(4)), root / "a" / "segmentation.nii.gz")
    result = run(root)
    assert result.exit_code == 0
    assert result.stdout.splitlines()[0] == "warning a: the mask has no voxel of class 1, 2, 3"


def test_error_ends_with_1(root):
    (root / "a" / "imaging.nii.gz").write_bytes(b"")
    result = run(root)
    assert result.exit_code == 1
    assert result.stdout.startswith(f"error   a: {root / 'a' / 'imaging.nii.gz'}: ")
    assert result.stdout.splitlines()[-1] == "1 cases, 1 errors, 0 warnings (folder per case)"


def test_json(root):
    (root / "a" / "imaging.nii.gz").write_bytes(b"")
    result = run(root, "--json")
    assert result.exit_code == 1
    content = json.loads(result.stdout)
    assert (content["cases"], content["errors"], content["warnings"]) == (1, 1, 0)
    assert content["findings"][0]["level"] == "error"
    assert content["findings"][0]["case"] == "a"


def test_number_of_classes(root):
    result = run(root, "--classes", 3, "--quiet")
    assert result.exit_code == 1
    assert "labels must be 0..2, found 3" in result.stdout
    assert len(result.stdout.splitlines()) == 1


def test_missing_folder_ends_with_2(tmp_path):
    result = run(tmp_path / "none")
    assert result.exit_code == 2
    assert result.stderr == f"error: {tmp_path / 'none'}: no such folder; give the folder of the dataset\n"


@pytest.mark.parametrize(
    ("write", "flags"),
    [
        (write_pictures, []),
        (write_pictures, ["--masks", "classes", "--classes", 3]),
        (write_pictures, ["--masks", "classes", "--merge", "2=1"]),
        (write_stack, ["--classes", 3]),
    ],
)
def test_slices_of_phantoms_are_sound(tmp_path, write, flags):
    write(tmp_path / "data", 2, shape=(48, 44, 32), seed=7)
    result = run(tmp_path / "data", *flags)
    assert result.exit_code == 0
    assert " 0 errors, 0 warnings " in result.stdout
    assert run(tmp_path / "data", "--masks", "none").exit_code == 2
