"""`--grid` from outside: the form of a NIfTI header that counts, from the data set to the masks."""

import json
import shutil

import nibabel as nib
import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

from pneumoseg.scripts.cli import app

PLACEMENT = (
    "qform_code",
    "sform_code",
    "quatern_b",
    "quatern_c",
    "quatern_d",
    "qoffset_x",
    "srow_x",
    "srow_y",
    "srow_z",
)


def invoke(*arguments, code=0) -> str:
    """All output of a command, run in this process."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output
    return result.output


@pytest.fixture
def data(phantoms, tmp_path, monkeypatch):
    """Phantoms whose sform (code 2) has left and right exchanged; their qform (code 1) is right."""
    monkeypatch.setenv("PNEUMOSEG_CACHE", str(tmp_path / "cache"))
    shutil.copytree(phantoms, tmp_path / "data")
    for path in (tmp_path / "data").glob("*/*.nii.gz"):
        image = nib.Nifti1Image.from_bytes(nib.load(path).to_bytes())
        image.set_qform(image.affine, 1)
        image.set_sform(image.affine * np.array([[-1.0], [1], [1], [1]]), 2)
        nib.save(image, path)
    return tmp_path / "data"


def same_placement(one, other) -> bool:
    headers = [nib.load(path).header for path in (one, other)]
    return all(headers[0][field].tobytes() == headers[1][field].tobytes() for field in PLACEMENT)


def test_an_experiment_by_the_qform(data, tiny, tmp_path, without_case_pictures):
    run = tmp_path / "run"
    command = ["kfold", data, "-o", run, *tiny, "--set", "training.epochs=1", "--grid", "qform"]
    assert "mirrored; here the qform counts, in ITK and 3D Slicer too" in invoke(*command, "--fold", "0")
    assert yaml.safe_load((run / "settings.yaml").read_text())["data"]["grid"] == "qform"
    assert "mirrored; here the qform counts" in (run / "log.txt").read_text()
    (case, *_) = json.loads((run / "splits.json").read_text())[0]["val"]
    mask = run / "fold_0" / "predictions" / f"{case}.nii.gz"
    assert same_placement(mask, data / case / "imaging.nii.gz")
    assert "data.grid" in invoke(*command[:-2], "--fold", "1", code=2)
    assert (run / "fold_0" / "metrics.csv").is_file()
    invoke("report", run, data, "--quiet")
    _predicted_by_the_form_that_is_given(run / "fold_0" / "model.keras", data / case / "imaging.nii.gz", tmp_path)


def _predicted_by_the_form_that_is_given(model, ct, tmp_path):
    """The CT's placement in each mask, the warning in each manifest; a mask by the other form is not kept."""
    command = ["predict", ct, "--model", model, "--engine", "keras"]
    for form, itk in (("sform", "the qform"), ("qform", "too")):
        mask = tmp_path / f"{form}.nii.gz"
        invoke(*command, "-o", mask, "--grid", form)
        assert same_placement(mask, ct)
        manifest = json.loads(mask.with_name(f"{mask.name}.json").read_text())
        assert manifest["nifti"] == {"grid": form}
        (warning,) = [one for one in manifest["warnings"] if "mirrored" in one]
        assert warning.startswith("imaging.nii.gz: the header's sform (code 2, axes RAS) and qform (code 1, axes LAS)")
        assert f"here the {form} counts, in ITK and 3D Slicer {itk}" in warning
        assert manifest["geometry"]["axes"] == {"sform": "RAS", "qform": "LAS"}[form]
    assert "made otherwise" in invoke(*command, "-o", tmp_path / "qform.nii.gz", "--resume", code=2)


def test_verify_reports_the_form_that_counts(data):
    assert "here the sform counts, in ITK and 3D Slicer the qform" in invoke("verify", data)
    assert "here the qform counts, in ITK and 3D Slicer too" in invoke("verify", data, "--grid", "qform")
    assert "'sform', 'qform'" in invoke("verify", data, "--grid", "q", code=2)
