"""`pneumoseg submit` as a person at the terminal meets it."""

import json
import shlex

import nibabel as nib
import numpy as np
import pytest

from pneumoseg.evaluation.runs.run_folder import check_output
from pneumoseg.evaluation.submission.slurm import NO_SBATCH


@pytest.fixture
def masks(tmp_path, monkeypatch):
    """Two masks in a folder of an odd name, below the working folder."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "it's masks"
    folder.mkdir()
    for name, infected in (("one", 4), ("two", 0)):
        labels = np.zeros((10, 3, 10), np.uint8)
        labels[1, 1], labels[8, 1], labels[1, 1, :infected] = 1, 2, 3
        nib.save(nib.Nifti1Image(labels, np.diag([10.0, 10, 10, 1])), folder / f"{name}.nii.gz")
    return folder.name


def refused(pneumoseg, *arguments) -> str:
    """The one line of an error."""
    done = pneumoseg("submit", *arguments, code=2)
    assert done.stderr.count("\n") == 1
    return done.stderr


def test_parts_run_here_make_what_one_call_makes(masks, tmp_path, pneumoseg):
    pneumoseg("severity", masks, "-o", "once")
    submit = ("submit", "severity", masks, "-o", "parts", "--cluster", "local", "--tasks", 2)
    assert pneumoseg(*submit).stdout == "parts: complete, 2 of 2 tasks were run\n"
    for name in ("severity.csv", "severity.json"):
        assert (tmp_path / "parts" / name).read_bytes() == (tmp_path / "once" / name).read_bytes()
    logs = sorted(path.name for path in (tmp_path / "parts" / "logs").iterdir())
    assert logs == ["finish.log", "part_1_of_2.log", "part_2_of_2.log"]
    assert "parts: complete, 0 of 2 tasks were run" in pneumoseg(*submit).stdout
    again = json.loads(pneumoseg(*submit, "--json").stdout)
    assert (again["complete"], again["tasks"], again["jobs"], again["failed"]) == (True, [], {}, {})


def test_a_failing_task_is_named_and_why(masks, tmp_path, pneumoseg):
    (tmp_path / masks / "two.nii.gz").write_bytes(b"nothing")
    done = pneumoseg("submit", "severity", masks, "-o", "parts", "--cluster", "local", "--tasks", 1, code=1)
    assert "part_1_of_1: it ended with code 2: error: " in done.stderr
    assert "two.nii.gz" in done.stderr
    assert "parts: not complete; see parts/logs/finish.log, and submit again" in done.stdout
    assert not (tmp_path / "parts" / "severity.csv").exists()


def test_scripts_are_written_and_the_rest_is_told(masks, tmp_path, pneumoseg):
    (tmp_path / "gpu.yaml").write_text("memory_gb: 2\npartition: gpu\n")
    done = pneumoseg(
        *("submit", "--resources", "gpu.yaml", "predict", masks, "-o", "out", "--tta", "--set", "seed=1", "--tasks", 8),
        *("--gpus", 1, "--time", "1:00:00", "--max-running", 3, "--", "--threshold", "0.5"),
    )
    assert done.stdout.splitlines() == [
        "8 of 8 tasks are to be run; the same call with --run does this:",
        "sbatch out/submission/tasks.sh",
        "sbatch --dependency=afterany:JOB out/submission/finish.sh",
    ]
    lines = (tmp_path / "out" / "submission" / "tasks.sh").read_text().splitlines()
    header = [line.removeprefix("#SBATCH ") for line in lines if line.startswith("#SBATCH")]
    assert header[1:-1] == ["--array=1-8%3", "--gpus=1", "--mem=2048M", "--time=1:00:00", "--partition=gpu"]
    (words,) = (shlex.split(line) for line in lines if " pneumoseg.scripts.cli " in line)
    assert words[1:] == [
        *("-P", "-m", "pneumoseg.scripts.cli", "predict", masks, "--tta", "--set", "seed=1", "--threshold", "0.5"),
        *("-o", "out", "--part", "${number}/8", "--resume"),
    ]


def test_folds_are_tasks_and_memory_is_estimated(phantoms, tmp_path, monkeypatch, tiny, pneumoseg):
    monkeypatch.chdir(tmp_path)
    submit = ("submit", "kfold", phantoms, "-o", "run", *tiny, "--memory-gb", 0.5)
    done = pneumoseg(*submit)
    assert "2 of 2 tasks" in done.stdout
    assert "--memory-gb 0.5 is below the estimate of 1.0 GB: tasks may be killed" in done.stderr
    text = (tmp_path / "run" / "submission" / "tasks.sh").read_text()
    assert "#SBATCH --array=0-1\n" in text
    assert '--fold "${number}" --resume' in text
    assert json.loads(pneumoseg(*submit, "--json").stdout)["estimate_gb"] == pytest.approx(1.0, abs=0.1)
    assert "leave --tasks out" in refused(pneumoseg, *submit[1:], "--tasks", 3)
    check_output(tmp_path / "run")  # is free for the run


def test_what_the_command_does_not_take_is_refused_before_anything_is_written(masks, tmp_path, pneumoseg):
    severity = ("severity", masks, "-o", "out", "--tasks", 2)
    assert "severity: No such option: --tta" in refused(pneumoseg, *severity, "--tta")
    assert "severity: Invalid value for '--grid'" in refused(pneumoseg, *severity, "--grid", "xform")
    assert "severity: Got unexpected extra argument" in refused(pneumoseg, *severity, "more")
    assert "evaluate: Missing option '--prediction'" in refused(
        pneumoseg, "evaluate", "--reference", masks, "-o", "out", "--tasks", 2
    )
    for flag, value in (("--resume", ()), ("--overwrite", ()), ("--part", ("1/2",))):
        assert f"a submission decides itself about {flag} of severity" in refused(pneumoseg, *severity, flag, *value)
    assert "--workers of evaluate" in refused(
        pneumoseg, "evaluate", "--reference", masks, "--prediction", masks, "-o", "out", "--tasks", 2, "--workers", 2
    )
    assert "--fold of kfold" in refused(pneumoseg, "kfold", masks, "-o", "out", "--fold", 0)
    assert "into how many parts the cases of severity are divided is needed (--tasks)" in refused(
        pneumoseg, *severity[:-2]
    )
    assert "compares the table of a cohort at once" in refused(
        pneumoseg, "evaluate", "--reference", "a.csv", "--prediction", masks, "-o", "out", "--tasks", 2
    )
    assert "the output of many tasks is a folder" in refused(
        pneumoseg, "predict", masks, "-o", "out.nii.gz", "--tasks", 2
    )
    assert "partition is text such as gpu" in refused(pneumoseg, *severity, "--partition", "a b")
    assert not (tmp_path / "out").exists()


def test_sbatch_is_missing(masks, tmp_path, monkeypatch, pneumoseg):
    monkeypatch.setenv("PATH", str(tmp_path))
    told = refused(pneumoseg, "severity", masks, "-o", "out", "--tasks", 2, "--run")
    assert told == f"error: {NO_SBATCH} (--cluster)\n"
