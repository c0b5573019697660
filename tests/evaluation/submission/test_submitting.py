"""Submitting, and submitting again; with tasks that are a few lines of shell."""

import json
from dataclasses import replace

import pytest
from filelock import FileLock

from pneumoseg.data_io.errors import InputError
from pneumoseg.evaluation.submission.array_job import ArrayJob
from pneumoseg.evaluation.submission.resources import Resources
from pneumoseg.evaluation.submission.submitting import submit_array
from pneumoseg.evaluation.submission.tasks import part_tasks
from tests.evaluation.submission.stub_job import calls, stub_job


@pytest.fixture
def job(tmp_path, monkeypatch) -> ArrayJob:
    monkeypatch.chdir(tmp_path)
    return stub_job(tmp_path, slow="[ -e mended ] || { echo broken >&2; exit 3; }")


def test_what_failed_runs_again(job, tmp_path):
    first = submit_array(job, "local", run=False)
    assert (first.code, first.tasks) == (1, ("part_1_of_3", "part_2_of_3", "part_3_of_3"))
    assert first.failed == dict.fromkeys(("part_2_of_3", "part_3_of_3"), "it ended with code 3: broken")
    (tmp_path / "mended").touch()
    second = submit_array(replace(job, resources=Resources(memory_gb=2)), "local", run=False)
    assert (second.code, second.tasks, second.failed) == (0, ("part_2_of_3", "part_3_of_3"), {})
    assert len(calls(job)) == 3 + 2 + 1
    assert submit_array(job, "local", run=False).tasks == ()
    assert len(calls(job)) == 6
    (job.folder / "parts" / "2_of_3.json").unlink()  # what is done is known from the folder alone
    assert submit_array(job, "local", run=False).tasks == ("part_2_of_3",)


def test_without_run_scripts_are_written(job):
    made = submit_array(job, "slurm", run=False)
    assert (made.tasks, made.jobs, made.code) == (("part_1_of_3", "part_2_of_3", "part_3_of_3"), {}, None)
    assert "#SBATCH --array=1-3" in job.tasks_script.read_text()
    assert not (job.folder / "calls.txt").exists()


def test_a_folder_that_another_call_filled_is_left_to_the_command(job, tmp_path):
    """Whether its results are of the same settings and data, the finishing command knows alone."""
    (tmp_path / "mended").touch()
    for part in (1, 2, 3):
        (job.folder / "parts").mkdir(exist_ok=True)
        (job.folder / "parts" / f"{part}_of_3.json").touch()
    (job.folder / "whole.csv").touch()
    first = submit_array(job, "local", run=False)
    assert (first.tasks, first.code, first.complete, len(calls(job))) == ((), 0, True, 1)
    again = submit_array(job, "local", run=False)
    assert (again.code, again.complete, len(calls(job))) == (None, True, 1)


def test_scripts_that_are_submitted_by_hand_belong_to_their_command(job):
    submit_array(job, "slurm", run=False)
    with pytest.raises(InputError, match="out: another command was submitted to it"):
        submit_array(replace(job, command=("predict",)), "slurm", run=False)


def test_a_second_submission_is_refused(job):
    job.place.mkdir()
    with FileLock(job.place / ".lock"), pytest.raises(InputError, match="out: another process submits it or runs it"):
        submit_array(job, "local", run=False)
    assert not job.tasks_script.exists()


def test_another_command_is_refused(job):
    submit_array(job, "local", run=False)
    for other in (replace(job, command=("evaluate",)), replace(job, tasks=part_tasks("evaluate", 4))):
        with pytest.raises(InputError, match="out: another command was submitted to it"):
            submit_array(other, "local", run=False)


@pytest.mark.parametrize(
    "change", [{"tasks": None}, {"tasks": [1]}, {"jobs": []}, {"jobs": {"tasks": 1}}, {"memory_gb": "1"}]
)
def test_a_damaged_record_is_refused(job, change):
    submit_array(job, "local", run=False)
    record = job.place / "submission.json"
    record.write_text(json.dumps(json.loads(record.read_text()) | change))
    with pytest.raises(InputError, match=r"submission\.json: no record of a submission"):
        submit_array(job, "local", run=False)
    record.write_text("{")
    with pytest.raises(InputError, match=r"submission\.json: not readable as JSON"):
        submit_array(job, "local", run=False)
