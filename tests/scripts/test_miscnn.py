"""`pneumoseg miscnn` with a stub in MIScnn's place: the run folder is that of `kfold`."""

import json
import shutil
import sys
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from pneumoseg.scripts.cli import app
from tests.evaluation.threshold import FILES

STUB = Path(__file__).parents[1] / "pipeline" / "methods" / "miscnn" / "stub_worker.py"
EVERYTHING = (FILES - {"cv_results.by_source.csv"}) | {
    *("lesions.csv", "confusion.csv", "pooled.csv", "figures", "fold_0", "fold_1")
}


def invoke(*arguments) -> tuple[int, str]:
    """Exit code and all output of a command, run in this process."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    return result.exit_code, result.output


@pytest.fixture
def flags(tmp_path, monkeypatch) -> list[str]:
    monkeypatch.setenv("PNEUMOSEG_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("pneumoseg.pipeline.methods.miscnn.method.WORKER", STUB)
    monkeypatch.setattr(
        "pneumoseg.pipeline.runtime.hardware.gpu_available", lambda: False
    )  # spares the import of TensorFlow
    python = tmp_path / "environment" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n', encoding="utf-8")
    python.chmod(0o755)
    (tmp_path / "environment" / "miscnn-1.4.0-installed").touch()
    return ["--environment", str(tmp_path / "environment"), "--set", "evaluation.folds=2", "--seed", "3"]


@pytest.mark.usefixtures("without_case_pictures")
def test_it_writes_the_run_folder_of_kfold(phantoms, flags, tmp_path):
    run = tmp_path / "run"
    code, output = invoke("miscnn", phantoms, "-o", run, *flags, "--json")
    assert code == 0, output
    assert json.loads(output[output.index("{") :])["complete"] is True
    assert {path.name for path in run.iterdir() if not path.name.startswith(".")} == EVERYTHING
    # Whose run it is stands in the settings, so that kfold, which compares them, does not go on with it.
    assert (run / "settings.yaml").read_text(encoding="utf-8").startswith("# Trained and predicted by miscnn==1.4.0")
    assert len(pd.read_csv(run / "cv_results.detailed.csv")) == 4 * 5
    written = {path.name for path in (run / "fold_0").iterdir() if not path.name.startswith(".")}
    assert written >= {"history.csv", "fitting_curve.png", "metrics.csv", "predictions", "miscnn.log", "model.hdf5"}
    assert "epoch with the smallest training loss" in (run / "report.html").read_text(encoding="utf-8")
    masks = tmp_path / "masks"
    masks.mkdir()
    for mask in run.glob("fold_*/predictions/*.nii.gz"):
        shutil.copy(mask, masks)
    scores = tmp_path / "scores"
    code, output = invoke("evaluate", "--reference", phantoms, "--prediction", masks, "-o", scores)
    assert code == 0, output
    again = pd.read_csv(scores / "metrics.csv").sort_values(["case", "class"])
    detailed = pd.read_csv(run / "cv_results.detailed.csv").sort_values(["case", "class"])
    assert again["dice"].tolist() == detailed["dice"].tolist()


@pytest.mark.usefixtures("without_case_pictures")
def test_folds_apart_and_resumed(phantoms, flags, tmp_path):
    run = tmp_path / "run"
    code, output = invoke("miscnn", phantoms, "-o", run, *flags, "--fold", "1")
    assert code == 0, output
    assert "other folds are still to be run" in output
    before = (run / "fold_1" / "model.hdf5").stat().st_mtime_ns
    code, output = invoke("miscnn", phantoms, "-o", run, *flags)
    assert code == 2
    assert "--resume" in output
    code, output = invoke("miscnn", phantoms, "-o", run, *flags, "--resume")
    assert code == 0, output
    assert (run / "fold_1" / "model.hdf5").stat().st_mtime_ns == before
    assert (run / "report.html").is_file()
    for file in (run / "fold_1" / "model.hdf5", run / "fold_1" / "metrics.csv"):
        file.unlink()
    for mask in (run / "fold_1" / "predictions").iterdir():
        mask.write_text("earlier weights'")
    code, output = invoke("miscnn", phantoms, "-o", run, *flags, "--resume")
    assert code == 0, output


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--preset", "covid-3d-unet"], "prediction.weights=gaussian (only uniform)"),
        (["--set", "network.name=residual-unet"], "network.name=residual-unet (only standard-unet)"),
        (["--set", "training.epoch=3"], "did you mean epochs"),
        (["--fold", "9"], "folds are 0"),
        (["--resume", "--overwrite"], "give one of them"),
        (["--splits", "thirds"], "thirds"),
    ],
)
def test_bad_input_writes_nothing_and_installs_nothing(phantoms, flags, tmp_path, more, message):
    (tmp_path / "environment" / "miscnn-1.4.0-installed").unlink()
    code, output = invoke("miscnn", phantoms, "-o", tmp_path / "run", *flags, *more)
    assert code == 2
    assert message in output
    assert not (tmp_path / "run").exists()
