"""The main command from outside: results, interruption, and bad input."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from pneumoseg.scripts.cli import app


def invoke(*arguments) -> tuple[int, str]:
    """Exit code and all output of a command, run in this process."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    return result.exit_code, result.output


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("PNEUMOSEG_CACHE", str(tmp_path / "cache"))


def test_kfold_then_predict_then_evaluate(phantoms, tiny, tmp_path, rendered, request):
    code, output = invoke("kfold", phantoms, "-o", tmp_path / "run", *tiny, "--json")
    assert code == 0, output
    answer, _ = json.JSONDecoder().raw_decode(output[output.index("{") :])  # warnings follow on standard error
    assert answer["complete"] is True
    detailed = pd.read_csv(tmp_path / "run" / "cv_results.detailed.csv")
    assert len(detailed) == 4 * 5
    for name in ("lesions.csv", "confusion.csv", "pooled.csv", "fold_0/lesions.csv", "fold_*/figures/phantom_001.gif"):
        assert list((tmp_path / "run").glob(name)), name
    request.getfixturevalue("without_case_pictures")  # those that there are stay
    _measured_again(phantoms, tmp_path / "run", tmp_path)
    ct = phantoms / "phantom_001" / "imaging.nii.gz"
    model = ["--model", tmp_path / "run", "--engine", "keras"]  # converting its networks would take longer
    code, output = invoke("predict", ct, "-o", tmp_path / "mask.nii.gz", *model)
    assert code == 0, output
    written, source = nib.load(tmp_path / "mask.nii.gz"), nib.load(ct)
    assert written.shape == source.shape
    np.testing.assert_allclose(written.affine, source.affine, atol=1e-5)
    code, output = invoke("predict", ct, "-o", tmp_path / "mask.nii.gz", *model)
    assert code == 2
    assert "exists already; resume to keep it, or overwrite it (--resume, --overwrite)" in " ".join(output.split())


def test_random_slices_are_trained_measured_and_marked(phantoms, tiny, tmp_path):
    changes = ("data.cases=slices", "patches.shape=[16, 16]", "patches.empty=drop", "augmentation.mirror_axes=[0, 1]")
    flags = [part for change in (*changes, "training.monitor=validation") for part in ("--set", change)]
    run = tmp_path / "run"
    code, output = invoke("kfold", phantoms, "-o", run, *tiny, *flags, "--splits", "slices:0.6,0.2,0.2", "--json")
    assert code == 0, output
    scored = pd.read_csv(run / "cv_results.detailed.csv")["case"].unique()
    assert all(name.rpartition("_")[0] in {f"phantom_00{number}" for number in range(1, 5)} for name in scored)
    assert "of the split's validation slices" in json.loads((run / "summary.json").read_text())["model choice"]
    (run / "report.html").unlink()
    code, output = invoke("report", run, phantoms, "--quiet")
    assert code == 0, output
    assert "Random slices: slices of one patient may be in training" in (run / "report.html").read_text("utf-8")


@pytest.fixture
def two_datasets(phantoms, tmp_path):
    """Two datasets that share the case phantom_001. In one of them half of phantom_001 does not count; in the other
    phantom_003 has no infection labelled."""
    for folder, names in (("one", ("phantom_001", "phantom_002")), ("two", ("phantom_001", "phantom_003"))):
        for name in names:
            shutil.copytree(phantoms / name, tmp_path / folder / name)
    path = tmp_path / "two" / "phantom_003" / "segmentation.nii.gz"
    mask = nib.load(path)
    labels = np.asarray(mask.dataobj)
    side = np.where(np.arange(len(labels)) < len(labels) // 2, 1, 2)[:, None, None]
    nib.save(nib.Nifti1Image(np.where(labels == 3, side, labels).astype(np.uint8), mask.affine), path)
    lines = "phantom_001,P1,\nphantom_003,P3,lung_left lung_right\n"
    (tmp_path / "two" / "patients.csv").write_text(f"case,patient,labels_present\n{lines}")
    folder = tmp_path / "one" / "phantom_001"
    valid = np.ones(labels.shape, np.uint8)
    valid[:, :, ::2] = 0
    nib.save(nib.Nifti1Image(valid, nib.load(folder / "imaging.nii.gz").affine), folder / "valid.nii.gz")
    return tmp_path / "one", tmp_path / "two"


def test_several_datasets_in_one_run(two_datasets, tiny, tmp_path, without_case_pictures):
    run, weights = tmp_path / "run", ("--set", "data.source_weights={two: 2}")
    code, output = invoke("kfold", *two_datasets, "-o", run, *tiny, *weights, "--quiet")
    assert code == 0, output
    detailed = pd.read_csv(run / "cv_results.detailed.csv", keep_default_na=False)
    found = detailed.groupby("case")["source"].first().to_dict()
    assert found == {"one-phantom_001": "one", "phantom_002": "one", "phantom_003": "two", "two-phantom_001": "two"}
    folds = detailed.groupby("case")["fold"].first()
    assert folds["one-phantom_001"] == folds["two-phantom_001"]
    status = detailed.set_index(["case", "class"])["status"]
    assert status["phantom_003", "infection"] == "not_labelled"
    by_source = (run / "cv_results.by_source.csv").read_text()
    assert {line.split(",")[0] for line in by_source.splitlines()[1:]} == {"one", "two", "all"}
    code, output = invoke("report", run, *two_datasets)
    assert code == 0, output
    assert "false ml" in output
    assert (run / "cv_results.by_source.csv").read_text() == by_source
    code, output = invoke("report", run, two_datasets[0])
    assert code == 2
    assert "missing or changed" in output
    code, output = invoke(
        "kfold", *two_datasets, "-o", tmp_path / "x", *tiny, "--set", "data.source_weights={three: 2}"
    )
    assert code == 2
    assert "the sources of the cases are one, two, found three" in " ".join(output.split())
    assert not (tmp_path / "x").exists()


def test_a_class_that_labels_present_denies_is_refused_at_once(two_datasets, tiny, tmp_path):
    table = two_datasets[1] / "patients.csv"
    table.write_text(table.read_text().replace("P1,", "P1,lung_left lung_right"))
    code, output = invoke("kfold", *two_datasets, "-o", tmp_path / "run", *tiny)
    assert code == 2
    text = " ".join(output.split())
    assert "case two-phantom_001" in text
    assert "labels_present denies voxels" in text
    assert not (tmp_path / "run").exists()


def _measured_again(phantoms, run, tmp_path):
    """`report` gives the same scores; other tolerances change NSD; other data are refused; trains nothing."""
    before = (run / "cv_results.detailed.csv").read_text()
    (run / "report.html").unlink()
    code, output = invoke("report", run, phantoms, "--quiet")
    assert code == 0, output
    assert (run / "cv_results.detailed.csv").read_text() == before
    assert (run / "report.html").is_file()
    for name in ("lesions.csv", "confusion.csv", "pooled.csv", "fold_0/lesions.csv", "fold_*/figures/phantom_001.gif"):
        assert list(run.glob(name)), name
    shown = (run / "report.html").stat().st_size
    code, output = invoke("report", run, phantoms, "--tolerance", "lungs=0", "--hide-cases", "--quiet")
    assert code == 0, output
    assert "Worst and best cases" not in (run / "report.html").read_text(encoding="utf-8")
    assert (run / "report.html").stat().st_size < shown
    changed = pd.read_csv(run / "cv_results.detailed.csv").set_index("class")
    assert (changed.loc["lungs", "nsd_tolerance_mm"] == 0).all()
    shutil.copytree(phantoms / "phantom_001", tmp_path / "other" / "phantom_009")
    code, output = invoke("report", run, tmp_path / "other")
    assert code == 2
    assert "missing or changed: phantom_001" in output


@pytest.mark.usefixtures("without_case_pictures")
def test_a_fold_that_is_trained_again_keeps_no_mask_of_its_earlier_model(phantoms, tiny, tmp_path):
    command = ["kfold", phantoms, "-o", tmp_path / "run", *tiny, "--set", "training.epochs=1", "--fold", "0", "--quiet"]
    code, output = invoke(*command)
    assert code == 0, output
    fold = tmp_path / "run" / "fold_0"
    for file in (fold / "model.keras", fold / "metrics.csv"):
        file.unlink()
    for mask in (fold / "predictions").glob("*.nii.gz"):
        mask.write_text("an earlier model's")
    code, output = invoke(*command, "--resume")
    assert code == 0, output
    assert all(nib.load(mask).shape for mask in (fold / "predictions").glob("*.nii.gz"))


@pytest.mark.usefixtures("without_case_pictures")
def test_a_killed_run_resumes_and_leaves_nothing_half(phantoms, tiny, tmp_path):
    output = tmp_path / "run"
    flags = [*tiny, "--set", "training.epochs=12", "--splits", "hold-out:0.5"]
    arguments = ["kfold", str(phantoms), "-o", str(output), *flags]
    process = subprocess.Popen(
        [sys.executable, "-m", "pneumoseg.scripts.cli", *arguments],
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=os.getcwd(),
    )
    deadline = time.monotonic() + 240
    history = output / "fold_0" / "history.csv"
    while not (history.is_file() and len(pd.read_csv(history)) >= 3):
        assert process.poll() is None, "ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    begun = len(pd.read_csv(history))
    assert not (output / "fold_0" / "model.keras").exists()
    assert not (output / "fold_0" / "metrics.csv").exists()
    assert invoke(*arguments)[0] == 2
    code, said = invoke(*arguments, "--resume")
    assert code == 0, said
    assert "resumed after epoch" in said
    rows = pd.read_csv(history)
    assert list(rows["epoch"]) == list(range(12))
    assert begun < 12
    assert (output / "report.html").is_file()
    assert not [path for path in output.rglob("*") if path.name.startswith(".partial-")]


def test_dry_run_writes_nothing(phantoms, tiny, tmp_path):
    code, output = invoke("kfold", phantoms, "-o", tmp_path / "run", *tiny, "--dry-run")
    assert code == 0, output
    assert "estimate on this processor" in output
    assert "epochs: 2" in output
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--preset", "no-such"], "no such preset"),
        (["--set", "training.epoch=3"], "did you mean epochs"),
        (["--set", "training.epochs=-1"], "training.epochs"),
        (["--set", "evaluation.folds=5"], "5 folds"),
        (["--fold", "9"], "folds are 0"),
        (["--set", "loss.name=tversk"], "loss tversk: not known"),
        (["--set", "network.name=u-net"], "network u-net: not known"),
        (["--seed", "5000000000"], "seed"),
        (["--resume", "--overwrite"], "give one of them"),
        (["--splits", "no-such.json"], "no-such.json"),
    ],
)
def test_a_bad_flag_is_one_line_and_code_2(phantoms, tiny, tmp_path, flags, message):
    code, output = invoke("kfold", phantoms, "-o", tmp_path / "run", *tiny, *flags)
    assert code == 2
    errors = [line for line in output.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert message in errors[0]
    assert "Traceback" not in output
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--device", "tpu"], "'auto', 'cpu', 'gpu'"),
        (["--grid", "q"], "'sform', 'qform'"),
        (["--threads", "0"], "--threads"),
    ],
)
def test_a_value_that_is_no_choice_is_answered_with_the_choices(phantoms, tiny, tmp_path, flags, message):
    code, output = invoke("kfold", phantoms, "-o", tmp_path / "run", *tiny, *flags)
    assert code == 2
    assert message in output
    assert not (tmp_path / "run").exists()


def labels() -> np.ndarray:
    array = np.zeros((8, 8, 6), np.uint8)
    array[1:3], array[5:7], array[5, 2] = 1, 2, 3
    return array


def ct() -> np.ndarray:
    return (labels().astype(np.int16) * 100 - 900).astype(np.int16)


def bad_cases() -> dict:
    shifted = np.diag([2.0, 2.0, 3.0, 1.0])
    shifted[0, 3] = 40.0
    wrong = labels()
    wrong[0, 0, 0] = 7
    holed = ct().astype(np.float32)
    holed[1, 1, 1] = np.nan
    return {
        "shape": ((ct(), labels()[:, :, :5]), {}, "one shape"),
        "affine": ((ct(), labels()), {"mask_affine": shifted}, "corners up to 40 mm apart"),
        "label": ((ct(), wrong), {}, "found 7"),
        "nan": ((holed, labels()), {}, "NaN"),
        "4d": ((np.stack([ct(), ct()], axis=-1), labels()), {}, "3 axes"),
    }


@pytest.mark.parametrize("kind", bad_cases())
def test_a_bad_case_is_named(kind, tmp_path, tiny, save_pair):
    (image, mask), affines, message = bad_cases()[kind]
    for name in ("good_1", "good_2"):
        save_pair(tmp_path / "data" / name, ct(), labels())
    save_pair(tmp_path / "data" / "odd_one", image, mask, **affines)
    code, output = invoke("kfold", tmp_path / "data", "-o", tmp_path / "run", *tiny)
    assert code == 2, output
    error = next(line for line in output.splitlines() if line.startswith("error: "))
    assert "odd_one" in error
    assert message in error
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("content", [b"", b"these are words, not voxels"])
def test_a_file_that_is_no_nifti_is_named(content, tmp_path, tiny, save_pair):
    for name in ("one", "two", "odd_one"):
        save_pair(tmp_path / "data" / name, ct(), labels())
    (tmp_path / "data" / "odd_one" / "imaging.nii.gz").write_bytes(content)
    code, output = invoke("kfold", tmp_path / "data", "-o", tmp_path / "run", *tiny)
    assert code == 2
    assert "odd_one" in output
    assert "Traceback" not in output


def test_a_truncated_file_is_named(tmp_path, tiny, phantoms, save_pair):
    for name in ("one", "two", "odd_one"):
        save_pair(tmp_path / "data" / name, np.random.default_rng(0).integers(-1000, 0, (8, 8, 6), np.int16), labels())
    path = tmp_path / "data" / "odd_one" / "imaging.nii.gz"
    path.write_bytes(path.read_bytes()[:-200])
    code, output = invoke("kfold", tmp_path / "data", "-o", tmp_path / "run", *tiny)
    assert code == 2
    assert "odd_one" in output


def test_missing_and_empty_folders(tmp_path, tiny):
    assert invoke("kfold", tmp_path / "absent", "-o", tmp_path / "run", *tiny)[0] == 2
    (tmp_path / "empty").mkdir()
    code, output = invoke("kfold", tmp_path / "empty", "-o", tmp_path / "run", *tiny)
    assert code == 2
    assert "empty" in output


def test_odd_volumes_that_must_work(tmp_path, tiny, save_pair):
    save_pair(tmp_path / "data" / "one_slice", ct()[:, :, :1], labels()[:, :, :1])
    save_pair(tmp_path / "data" / "thick", ct(), labels(), affine=np.diag([2.0, 2.0, 10.0, 1.0]))
    code, output = invoke("kfold", tmp_path / "data", "-o", tmp_path / "run", *tiny)
    assert code == 0, output
    mask = nib.load(next((tmp_path / "run").rglob("one_slice.nii.gz")))
    assert mask.shape == (8, 8, 1)


def test_a_full_disk_is_told_and_leaves_nothing(phantoms, tiny, tmp_path, monkeypatch):
    from pneumoseg.pipeline.training import loop

    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(loop, "save_checkpoint", full)
    code, output = invoke("kfold", phantoms, "-o", tmp_path / "run", *tiny)
    assert code == 2
    assert "No space left on device" in output
    assert not list((tmp_path / "run").rglob("model.keras"))
    assert not list((tmp_path / "run").rglob(".partial-*"))
