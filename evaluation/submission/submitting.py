"""Submitting an array, and submitting it again: what is done stays, what runs is not submitted twice.

FOLDER/submission/submission.json holds the command, and the jobs of the last submission.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from filelock import FileLock, Timeout

from pneumoseg.data_io.console import log
from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.storage.atomic import write_json
from pneumoseg.data_io.storage.json_files import read_json
from pneumoseg.evaluation.submission import local, slurm
from pneumoseg.evaluation.submission.array_job import ArrayJob, write_scripts
from pneumoseg.evaluation.submission.failures import reason_of

RECORD = "submission.json"
Cluster = Literal["local", "slurm"]


@dataclass(frozen=True)
class Submission:
    """What came of it. `tasks`: the names of those that were submitted, run or are to be; `failed`: why tasks of the
    last submission, or of one that ran here, have no result, by name; `jobs`: their identifiers; `code`: the exit code
    of the finishing job, where it ran here; `memory_gb`: the limit of each task; `complete`: whether all was
    there, or is now."""

    tasks: tuple[str, ...] = ()
    failed: Mapping[str, str] = field(default_factory=dict)
    jobs: Mapping[str, str] = field(default_factory=dict)
    code: int | None = None
    memory_gb: float | None = None
    complete: bool = False


def submit_array(job: ArrayJob, cluster: Cluster, *, run: bool) -> Submission:
    """Writes the scripts of the tasks without result, and of the finishing job; submits both with `run`, and runs them
    here where the cluster is `local`. Nothing is done where all is there.

    Raises InputError where another command was submitted to the folder, where its jobs are queued or running, or
    another process submits; and as `slurm.submit_jobs`.
    """
    if cluster == "slurm" and run:
        slurm.check_sbatch()
    with _alone(job):
        before = _record_of_before(job)
        if before is not None and job.is_whole:
            return Submission(complete=True)
        before = before or Submission()
        _check_ended(job, before.jobs)
        numbers = job.unfinished
        names = tuple(map(job.tasks.name_of, numbers))
        tried = replace(job, resources=replace(job.resources, memory_gb=before.memory_gb))
        failed = _told(tried, [number for number in numbers if job.tasks.name_of(number) in before.tasks])
        _write(job, numbers)
        if cluster == "slurm" and not run:
            _record(job, before)
            return Submission(names, failed)
        _forget_tries(job, names)
        if cluster == "local":
            _record(job, Submission(names))
            code = local.run_here(job, numbers)
            return Submission(names, _told(job, job.unfinished), code=code, complete=code == 0 and job.is_whole)
        done = Submission(names, memory_gb=job.resources.memory_gb)
        for jobs in slurm.submit_jobs(job, numbers):  # each is on record at once, whatever comes then
            done = replace(done, jobs=jobs)
            _record(job, done)
        return replace(done, failed=failed)


def _told(job: ArrayJob, numbers: Sequence[int]) -> dict[str, str]:
    """Why these tasks have no result, by name; a warning tells each."""
    reasons = {job.tasks.name_of(number): reason_of(job, number) for number in numbers}
    for name, reason in reasons.items():
        log.warning("%s: %s", name, reason)
    return reasons


def _forget_tries(job: ArrayJob, names: Sequence[str]) -> None:
    """Removes what says why tasks failed, as the next try may end before it begins to write."""
    for name in names:
        for file in (job.place / "failed" / name, job.log_of(name)):
            file.unlink(missing_ok=True)


def _write(job: ArrayJob, numbers: tuple[int, ...]) -> None:
    write_scripts(job, tasks_header=slurm.tasks_header(job, numbers), finish_header=slurm.finish_header(job))


@contextmanager
def _alone(job: ArrayJob) -> Iterator[None]:
    """Holds the folder's lock. Raises InputError at once where another process submits or runs it."""
    job.place.mkdir(parents=True, exist_ok=True)
    try:
        held = FileLock(job.place / ".lock").acquire(timeout=0)
    except Timeout as error:
        raise InputError(f"{job.folder}: another process submits it or runs it; wait for its end") from error
    with held:
        yield


def _check_ended(job: ArrayJob, jobs: Mapping[str, str]) -> None:
    if states := slurm.queued(jobs.values()):
        found = ", ".join(f"{count} {state.lower()}" for state, count in sorted(states.items()))
        numbers = " ".join(jobs.values())
        raise InputError(f"{job.folder}: its jobs {numbers} have not ended ({found}); wait, or scancel {numbers}")


def _record(job: ArrayJob, submission: Submission) -> None:
    content = {
        "command": list(job.command),
        "task_flags": list(job.tasks.flags),
        "tasks": list(submission.tasks),
        "jobs": dict(submission.jobs),
        "memory_gb": submission.memory_gb,
    }
    write_json(_record_file(job), content)


def _record_of_before(job: ArrayJob) -> Submission | None:
    """The last submission to the folder, None where there was none. Raises InputError where that was another command,
    or the record is damaged."""
    file = _record_file(job)
    if not file.exists():
        return None
    content = read_json(file, "the record of a submission", dict)
    command, flags, tasks, jobs = (content.get(key, ()) for key in ("command", "task_flags", "tasks", "jobs"))
    memory_gb = content.get("memory_gb")
    whole = isinstance(tasks, list) and isinstance(jobs, dict) and isinstance(memory_gb, int | float | None)
    if not (whole and all(isinstance(text, str) for text in (*tasks, *jobs.values()))):
        raise InputError(f"{file}: no record of a submission; remove it where none of its jobs is queued")
    if (command, flags) != ([*job.command], [*job.tasks.flags]):
        raise InputError(
            f"{job.folder}: another command was submitted to it; give the same arguments and number of tasks, choose "
            f"another output, or remove {job.place} with what that command left"
        )
    return Submission(tuple(tasks), jobs=jobs, memory_gb=memory_gb)


def _record_file(job: ArrayJob) -> Path:
    return job.place / RECORD
