"""What an earlier version wrote is read, and gives the same results; see fixtures/README.md."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import pneumoseg
from pneumoseg.evaluation.scoring.tables import read_detailed
from pneumoseg.scripts.cli import app

EARLIER = Path(__file__).parent / "fixtures" / "version-0.1.0"
CT = EARLIER / "data" / "phantom_003" / "imaging.nii.gz"


@pytest.fixture(scope="module")
def earlier(tmp_path_factory) -> Path:
    """A copy that locks and converted networks may be written to."""
    return Path(shutil.copytree(EARLIER, tmp_path_factory.mktemp("earlier") / "copy"))


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("PNEUMOSEG_CACHE", str(tmp_path / "cache"))


def command(*arguments) -> str:
    """What a command prints on standard output."""
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert done.exit_code == 0, done.output
    return done.stdout


def mask(path: Path) -> np.ndarray:
    return pneumoseg.read_volume(path).array


def test_the_files_are_small_and_name_no_place():
    content = [path.read_bytes() for path in EARLIER.rglob("*") if path.is_file()]
    assert sum(map(len, content)) < 1_000_000
    assert not [one for one in content for folder in (b"/home/", b"/root/", b"/tmp/", b"/Users/") if folder in one]


def test_the_masks_hold_every_class():
    for name in ("bundle", "run"):
        assert np.bincount(mask(EARLIER / "masks" / f"{name}.nii.gz").ravel()).tolist() == [4751, 33, 4307, 125]


@pytest.mark.parametrize(("model", "engine"), [("bundle", "openvino"), ("run", "keras")])
def test_models_predict_the_same_mask(earlier, model, engine):
    segmented = pneumoseg.segment(CT, earlier / model, engine=engine, precision="float32")
    np.testing.assert_array_equal(segmented.array, mask(EARLIER / "masks" / f"{model}.nii.gz"))


def test_the_command_writes_the_same_file_and_keeps_that_of_before(earlier, tmp_path):
    expected = EARLIER / "masks" / "bundle.nii.gz"
    arguments = ["predict", CT, "--model", earlier / "bundle", "--precision", "float32", "--quiet", "-o"]
    command(*arguments, tmp_path / "new.nii.gz")
    assert (tmp_path / "new.nii.gz").read_bytes() == expected.read_bytes()

    kept = Path(shutil.copytree(EARLIER / "masks", tmp_path / "masks")) / "bundle.nii.gz"
    written = (kept.stat().st_mtime_ns, kept.stat().st_ino)
    command(*arguments, kept, "--resume")
    assert (kept.stat().st_mtime_ns, kept.stat().st_ino) == written


def test_a_model_knows_the_settings_of_its_run():
    model = pneumoseg.load_model(EARLIER / "run" / "fold_0" / "model.keras")
    assert model.settings == pneumoseg.load_settings(str(EARLIER / "run" / "settings.yaml"))


def assert_same_scores(run: Path) -> None:
    for name in ("cv_results.detailed.csv", "cv_results.final.csv"):
        before, now = (pd.read_csv(folder / name) for folder in (EARLIER / "run", run))
        assert list(now.columns[: len(before.columns)]) == list(before.columns)
        pd.testing.assert_frame_equal(now[before.columns], before, rtol=1e-5)


def test_a_finished_run_is_resumed_and_scored_again_alike(earlier, tmp_path, without_case_pictures):
    run = Path(shutil.copytree(EARLIER / "run", tmp_path / "run"))
    models = {path: path.read_bytes() for path in run.glob("fold_*/*") if path.suffix == ".keras"}
    command("kfold", earlier / "data", "-o", run, "--preset", run / "settings.yaml", "--resume", "--quiet")
    assert_same_scores(run)
    assert models == {path: path.read_bytes() for path in models}
    log = (run / "log.txt").read_text("utf-8")
    assert log.startswith((EARLIER / "run" / "log.txt").read_text("utf-8"))
    assert log.count("training on") == 2  # both of before

    command("report", run, earlier / "data", "--hide-cases", "--quiet")
    assert (run / "report.html").is_file()
    assert_same_scores(run)
    compared = json.loads(command("compare", EARLIER / "run", run, "--json"))["summary"]
    infection = next(row for row in compared if (row["score"], row["class"]) == ("dice", "infection"))
    assert infection["mean_a"] == pytest.approx((0.142986 + 0.0554455 + 0.549784 + 0.258373) / 4)
    assert {row["mean_difference"] for row in compared} == {0.0}


def test_scores_are_read_as_they_stand():
    table = read_detailed(EARLIER / "run" / "cv_results.detailed.csv")
    infection = table[(table["case"] == "phantom_001") & (table["class"] == "infection")]
    assert infection["dice"].tolist() == [0.549784]
