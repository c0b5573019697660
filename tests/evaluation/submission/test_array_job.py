"""The scripts of an array: what they run, by their own exit codes and files."""

import os
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from pneumoseg.evaluation.submission.array_job import ArrayJob, write_scripts
from pneumoseg.evaluation.submission.resources import Resources
from pneumoseg.evaluation.submission.tasks import WHOLE, part_tasks
from tests.evaluation.submission.stub_job import calls, stub_job

ODD = """it's "a" $HOME `id` \\ * ;#{} 100%"""

ODD_NAME = "a {}'s $part"


@pytest.fixture
def job(tmp_path, monkeypatch) -> ArrayJob:
    monkeypatch.chdir(tmp_path)
    return stub_job(tmp_path)


def run(script: Path, number: int | None = None) -> subprocess.CompletedProcess:
    environment = {key: value for key, value in os.environ.items() if key != "SLURM_ARRAY_TASK_ID"}
    if number is not None:
        environment["SLURM_ARRAY_TASK_ID"] = f"{number}"
    return subprocess.run(["bash", str(script)], env=environment, capture_output=True, text=True, check=False)


def test_what_is_done_is_known_from_the_folder(job):
    assert job.unfinished == (1, 2, 3)
    (job.folder / "parts").mkdir()
    (job.folder / "parts" / "2_of_3.json").touch()
    assert (job.unfinished, job.is_whole) == ((1, 3), False)
    for number in (1, 3):
        (job.folder / "parts" / f"{number}_of_3.json").touch()
    assert (job.unfinished, job.is_whole) == ((), False)
    (job.folder / "whole.csv").touch()
    assert job.is_whole
    assert job.log_of(job.tasks.name_of(2)).as_posix() == "out/logs/part_2_of_3.log"


def test_a_task_and_then_the_whole(job):
    write_scripts(job, tasks_header=["#SBATCH --array=1-3"], finish_header=["#SBATCH --mem=1M"])
    assert job.tasks_script.read_text().splitlines()[:2] == ["#!/usr/bin/env bash", "#SBATCH --array=1-3"]
    assert run(job.tasks_script, 2).returncode == 0
    assert job.unfinished == (1, 3)
    early = run(job.finish_script)
    assert (early.returncode, early.stderr.split(";")[0]) == (1, "without result: part_1_of_3 part_3_of_3")
    assert [run(job.tasks_script, number).returncode for number in (1, 3)] == [0, 0]
    assert run(job.finish_script).returncode == 0
    assert job.is_whole and (job.folder / WHOLE).is_file()
    assert calls(job) == [*(f"--part {number}/3 --resume" for number in (2, 1, 3)), "--resume"]


def test_a_task_without_number_does_nothing(job):
    write_scripts(job)
    done = run(job.tasks_script)
    assert done.returncode != 0
    assert "the number of the task" in done.stderr
    assert not (job.folder / "calls.txt").exists()


def test_exit_codes_are_kept_until_the_next_try(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    job = stub_job(tmp_path, slow="[ -e mended ] || exit 3", resources=Resources(memory_gb=4))
    write_scripts(job)
    assert run(job.tasks_script, 2).returncode == 3
    assert (job.place / "failed" / "part_2_of_3").read_text() == "3\n"
    assert job.unfinished == (1, 2, 3)
    (tmp_path / "mended").touch()
    assert run(job.tasks_script, 2).returncode == 0
    assert not (job.place / "failed" / "part_2_of_3").exists()


def test_a_task_that_skipped_bad_cases_is_done(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    job = stub_job(tmp_path, slow='[ $part = 3/3 ] || : >"$FOLDER/parts/2_of_3.json"; exit 1')
    write_scripts(job)
    assert [run(job.tasks_script, number).returncode for number in (2, 3)] == [1, 1]
    assert job.unfinished == (1, 3)  # the third ended with the same code, but left no result: as by a fault


def test_signal_9_is_told_with_limit_and_estimate(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    job = stub_job(tmp_path, slow="kill -9 $$", resources=Resources(memory_gb=4))
    write_scripts(job)
    done = run(job.tasks_script, 3)
    assert done.returncode == 137
    assert "part_3_of_3 was killed by signal 9, as where memory runs out (limit 4 GB, estimate 6.2 GB)" in done.stderr


def test_every_character_reaches_the_program(tmp_path, monkeypatch):
    """Scripts in folders of odd names, run from elsewhere, with odd arguments."""
    workdir = tmp_path / ODD
    workdir.mkdir()
    job = ArrayJob(
        program=(sys.executable, "-c", "import sys, os; print(os.getcwd(), sys.argv[1:])"),
        command=("predict", ODD, "-o", ODD),
        folder=workdir / ODD,
        workdir=workdir,
        tasks=replace(part_tasks("predict", 1), name=ODD_NAME, result=f"{ODD_NAME}.json"),
    )
    write_scripts(job)
    for script in (job.tasks_script, job.finish_script):
        assert subprocess.run(["bash", "-n", str(script)], check=False).returncode == 0
    flags = ["--part", "1/1", "--resume"]
    assert run(job.tasks_script, 1).stdout == f"{workdir} {['predict', ODD, '-o', ODD, *flags]}\n"
    assert run(job.finish_script).returncode == 1
    (job.folder / job.tasks.result_of(1)).touch()
    assert run(job.finish_script).stdout == f"{workdir} {['predict', ODD, '-o', ODD, '--resume']}\n"
    assert job.is_whole
    assert shlex.quote(ODD) in job.tasks_script.read_text()
