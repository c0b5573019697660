from dataclasses import replace

import pytest

from pneumoseg.evaluation.submission.array_job import write_scripts
from pneumoseg.evaluation.submission.failures import reason_of
from pneumoseg.evaluation.submission.resources import Resources
from tests.evaluation.submission.stub_job import stub_job

LIMIT = "it was killed by its memory limit of 4 GB (the estimate is 6.2 GB); give more by --memory-gb"
SIGNAL = "it was killed by signal 9, as where memory runs out (the estimate is 6.2 GB); give more by --memory-gb"
STEP = "slurmstepd: error: "


@pytest.mark.parametrize(
    ("log", "code", "reason"),
    [
        (None, None, "it did not begin; was it cancelled?"),
        ("training", None, "it ended without an exit code: killed, or its node was lost"),
        ("one\nerror: no such file\n\n", "2\n", "it ended with code 2: error: no such file"),
        ("", "1", "it ended with code 1"),
        ("", "x", "it ended without an exit code: killed, or its node was lost"),
        ("training", "137\n", SIGNAL),
        (f"{STEP}Detected 1 oom_kill event in StepId=7.batch.", "137", LIMIT),
        (f"{STEP}Detected 1 oom-kill event(s) in StepId=7.batch cgroup.", None, LIMIT),
        (f"{STEP}StepId=1.batch exceeded memory limit (3 > 2), being killed\n{STEP}*** JOB 1 CANCELLED", None, LIMIT),
        (f"{STEP}*** JOB 3 ON n1 CANCELLED AT 2026-01-01 DUE TO TIME LIMIT ***", None,
         "it reached its time limit; give more by --time"),
        (f"{STEP}*** JOB 3 ON n1 CANCELLED AT 2026-01-01 DUE TO NODE FAILURE ***", None, "its node failed"),
        (f"{STEP}*** JOB 3 ON n1 CANCELLED AT 2026-01-01 DUE TO PREEMPTION ***", None, "it was preempted"),
        (f"{STEP}*** JOB 3 ON n1 CANCELLED AT 2026-01-01 ***", None, "it was cancelled"),
    ],
)  # fmt: skip
def test_reasons_are_in_the_folder(tmp_path, monkeypatch, log, code, reason):
    monkeypatch.chdir(tmp_path)
    job = stub_job(tmp_path, resources=Resources(memory_gb=4))
    write_scripts(job)
    if log is not None:
        job.log_of("part_2_of_3").write_text(log)
    if code is not None:
        (job.place / "failed" / "part_2_of_3").write_text(code)
    assert reason_of(job, 2) == reason


def test_the_end_of_a_long_log_counts(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    job = stub_job(tmp_path)
    write_scripts(job)
    (job.place / "failed" / "part_2_of_3").write_text("2")
    job.log_of("part_2_of_3").write_bytes(b"CANCELLED \xff\n" * 30_000 + b"x\n" * 20_000 + b"error: " + b"y" * 500)
    assert reason_of(job, 2) == f"it ended with code 2: error: {'y' * 293}"


def test_without_limit_and_estimate(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    job = replace(stub_job(tmp_path), estimate_gb=None)
    write_scripts(job)
    job.log_of("part_1_of_3").write_text("Detected 1 oom_kill event")
    assert reason_of(job, 1) == "it was killed by its memory limit (there is no estimate); give more by --memory-gb"
