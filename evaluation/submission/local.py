"""The scripts of an array run on this machine, one task after the other."""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from pneumoseg.data_io.console import track
from pneumoseg.evaluation.submission.array_job import FINISH, ArrayJob


def run_here(job: ArrayJob, numbers: Sequence[int]) -> int:
    """Runs these tasks and then the finishing job, each into its log, and returns the exit code of the last. A task
    that fails is no end: the finishing job names it."""
    for number in track(numbers, "tasks", len(numbers)):
        log = job.log_of(job.tasks.name_of(number))
        _run(job.tasks_script, log, environment={"SLURM_ARRAY_TASK_ID": f"{number}"})
    return _run(job.finish_script, job.log_of(FINISH), environment={})


def _run(script: Path, log: Path, *, environment: dict[str, str]) -> int:
    with log.open("wb") as file:
        done = subprocess.run(
            ["bash", str(script)],
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            check=False,
        )
    return done.returncode
