"""Headers, sbatch that is missing or refuses, and a real cluster of one node."""

import json
import stat
import sys

import pytest

from pneumoseg.data_io.errors import InputError
from pneumoseg.evaluation.submission.resources import Resources
from pneumoseg.evaluation.submission.slurm import (
    check_sbatch,
    finish_header,
    queued,
    ranges,
    submit_jobs,
    tasks_header,
)
from pneumoseg.evaluation.submission.submitting import submit_array
from pneumoseg.scripts.benchmark.slurm_node import called, missing, one_node, wait_until
from tests.evaluation.submission.stub_job import calls, stub_job


@pytest.fixture
def in_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def programs(in_folder, monkeypatch):
    """A function that makes a program of that name the only one of the cluster's there are."""
    monkeypatch.setenv("PATH", f"{in_folder / 'bin'}:/usr/bin:/bin")
    (in_folder / "bin").mkdir()

    def make(name: str, text: str) -> None:
        path = in_folder / "bin" / name
        path.write_text(f"#!/bin/bash\n{text}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)

    return make


def test_the_lines_of_an_array(in_folder):
    resources = Resources(cpus=4, gpus=1, memory_gb=8, time="1:00:00", partition="gpu", account="lab", max_running=2)
    job = stub_job(in_folder, resources=resources, name='a "b" 5%')
    assert tasks_header(job, (1, 3)) == [
        "#SBATCH --job-name=pneumoseg-evaluate-a__b__5_",
        *("#SBATCH --array=1,3%2", "#SBATCH --cpus-per-task=4", "#SBATCH --gpus=1", "#SBATCH --mem=8192M"),
        *("#SBATCH --time=1:00:00", "#SBATCH --partition=gpu", "#SBATCH --account=lab"),
        f'#SBATCH --output="{in_folder}/a \\"b\\" 5%%/logs/part_%a_of_3.log"',
    ]
    assert finish_header(job)[0] == "#SBATCH --job-name=pneumoseg-evaluate-a__b__5_-finish"
    assert finish_header(job)[-1].endswith('/logs/finish.log"')
    assert not any("--array" in line for line in finish_header(job))
    with pytest.raises(InputError, match="no path with a line break"):
        tasks_header(stub_job(in_folder, name="a\nb"), (1,))


def test_numbers_in_order():
    assert ranges([4]) == "4"
    assert ranges([1, 2, 4, 6, 7]) == "1-2,4,6-7"


def test_sbatch_is_missing(in_folder, monkeypatch):
    monkeypatch.setenv("PATH", str(in_folder))
    with pytest.raises(InputError, match="sbatch is missing") as error:
        check_sbatch()
    assert error.value.options == ("cluster",)
    with pytest.raises(InputError, match="sbatch is missing"):
        submit_array(stub_job(in_folder), "slurm", run=True)
    assert not (in_folder / "out" / "submission").exists()
    assert queued([]) == {}


def test_identifiers_of_the_jobs(in_folder, programs):
    programs("sbatch", 'echo "$@" >>sbatch.txt; echo "12;cluster"')
    job = stub_job(in_folder)
    assert list(submit_jobs(job, (1, 2))) == [{"tasks": "12"}, {"tasks": "12", "finish": "12"}]
    assert list(submit_jobs(job, ())) == [{"finish": "12"}]
    assert (in_folder / "sbatch.txt").read_text().splitlines() == [
        "--parsable out/submission/tasks.sh",
        "--parsable --dependency=afterany:12 out/submission/finish.sh",
        "--parsable out/submission/finish.sh",
    ]


def test_an_array_without_its_finishing_job_is_cancelled(in_folder, programs):
    programs("sbatch", 'case "$*" in *finish.sh) echo "Invalid account" >&2; exit 1;; *) echo 7;; esac')
    programs("scancel", 'echo "$@" >scancel.txt')
    with pytest.raises(InputError, match=r"sbatch refuses out/submission/finish\.sh: Invalid account"):
        submit_array(stub_job(in_folder), "slurm", run=True)
    assert (in_folder / "scancel.txt").read_text() == "7\n"
    assert json.loads((in_folder / "out" / "submission" / "submission.json").read_text())["jobs"] == {"tasks": "7"}


def test_a_queue_that_cannot_be_seen_is_no_empty_one(in_folder, programs):
    programs("sbatch", "")
    programs("squeue", "echo 'Invalid job id specified' >&2; exit 1")
    assert queued(["7"]) == {}
    programs("squeue", "echo 'Unable to contact slurm controller' >&2; exit 1")
    with pytest.raises(InputError, match="squeue cannot say whether job 7 still runs: Unable to contact"):
        queued(["7"])
    programs("squeue", "printf 'RUNNING\\nPENDING\\nPENDING\\n'")
    assert queued(["7"]) == {"RUNNING": 1, "PENDING": 2}


@pytest.fixture(scope="module")
def cluster():
    if reason := missing():
        pytest.skip(reason)
    with one_node() as environment:
        yield environment


@pytest.fixture
def slurm(cluster, in_folder, monkeypatch):
    for name, value in cluster.items():
        monkeypatch.setenv(name, value)
    return cluster


def ended(jobs) -> bool:
    return not queued(jobs.values())


def test_cancelled_tasks_run_when_submitted_again(slurm, in_folder):
    job = stub_job(in_folder, slow="until [ -e go ]; do sleep 0.1; done", resources=Resources(cpus=1, memory_gb=0.5))
    first = submit_array(job, "slurm", run=True)
    assert first.tasks == ("part_1_of_3", "part_2_of_3", "part_3_of_3")
    wait_until(lambda: job.unfinished == (2, 3) and len(calls(job)) == 3)
    with pytest.raises(InputError, match=r"its jobs \d+ \d+ have not ended \(1 pending, 2 running\); wait, or scancel"):
        submit_array(job, "slurm", run=True)
    called(["scancel", *(f"{first.jobs['tasks']}_{number}" for number in (2, 3))], slurm)
    wait_until(lambda: ended(first.jobs))
    assert "without result: part_2_of_3 part_3_of_3" in job.log_of("finish").read_text()
    assert not job.is_whole
    (in_folder / "go").touch()
    second = submit_array(job, "slurm", run=True)
    assert second.failed == {"part_2_of_3": "it was cancelled", "part_3_of_3": "it was cancelled"}
    wait_until(lambda: ended(second.jobs))
    assert job.is_whole
    flags = [f"--part {number}/3 --resume" for number in (2, 2, 3, 3)]
    assert sorted(calls(job)) == ["--part 1/3 --resume", *flags, "--resume"]
    assert submit_array(job, "slurm", run=True).tasks == ()


def test_a_task_that_needs_more_memory_than_it_asked_for(slurm, in_folder):
    hungry = f"exec {sys.executable} -c 'import time; held = bytearray(300_000_000); time.sleep(30)'"
    job = stub_job(in_folder, slow=hungry, resources=Resources(cpus=1, memory_gb=0.1))
    jobs = submit_array(job, "slurm", run=True).jobs
    wait_until(lambda: ended(jobs))
    reason = "it was killed by its memory limit of 0.1 GB (the estimate is 6.2 GB); give more by --memory-gb"
    assert submit_array(job, "slurm", run=False).failed == {"part_2_of_3": reason, "part_3_of_3": reason}
