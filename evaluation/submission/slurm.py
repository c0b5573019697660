"""SLURM: the headers of the scripts, their submission, and which jobs are queued."""

import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.storage.folders import visible_name
from pneumoseg.evaluation.submission.array_job import FINISH, ArrayJob
from pneumoseg.evaluation.submission.tasks import NUMBER

NO_SBATCH = "sbatch is missing: this machine is no node of a SLURM cluster; submit on its login node, or choose local"
WAIT_S = 60
UNKNOWN = "Invalid job id"
"""What squeue says of a job that ended some minutes ago."""
PLACE = "%a"
"""Stands for the number of a task in the names of logs."""


def tasks_header(job: ArrayJob, numbers: Sequence[int]) -> list[str]:
    """The lines for sbatch of an array of these tasks."""
    at_a_time = "" if job.resources.max_running is None else f"%{job.resources.max_running}"
    return _header(job, "", job.tasks.name, (f"--array={ranges(numbers)}{at_a_time}",))


def finish_header(job: ArrayJob) -> list[str]:
    """The lines for sbatch of the finishing job."""
    return _header(job, f"-{FINISH}", FINISH, ())


def _header(job: ArrayJob, ending: str, log: str, further: Iterable[str]) -> list[str]:
    """`log`: the name of what is logged, in which NUMBER stands for the number of a task."""
    name = re.sub(r"[^\w.-]", "_", f"pneumoseg-{job.command[0]}-{visible_name(job.folder)}{ending}")
    folder = f"{job.workdir / job.log_of(log).parent}".replace("%", "%%")
    output = f"--output={_quoted(f'{folder}/{log.replace(NUMBER, PLACE)}.log')}"
    options = (f"--job-name={name}", *further, *job.resources.sbatch_options, output)
    return [f"#SBATCH {option}" for option in options]


def _quoted(text: str) -> str:
    """The text within double quotes, as sbatch reads them in a script."""
    if "\n" in text:
        raise InputError(f"{text!r}: sbatch reads no path with a line break; choose another folder")
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def ranges(numbers: Sequence[int]) -> str:
    """Numbers in order as SLURM writes them.

    >>> ranges([0, 1, 2, 5, 7, 8])
    '0-2,5,7-8'
    """
    groups: list[list[int]] = []
    for number in numbers:
        if groups and number == groups[-1][-1] + 1:
            groups[-1].append(number)
        else:
            groups.append([number])
    return ",".join(f"{group[0]}-{group[-1]}" if len(group) > 1 else f"{group[0]}" for group in groups)


def submit_jobs(job: ArrayJob, numbers: Sequence[int]) -> Iterator[dict[str, str]]:
    """Submits the array of these tasks, if any, and the finishing job, which begins when all have ended, however.

    Yields after each the identifiers of those that are submitted, by what they are: `tasks` and `finish`. Raises
    InputError where sbatch is missing or refuses; no job is left then.
    """
    jobs: dict[str, str] = {}
    after = []
    if numbers:
        jobs["tasks"] = _sbatch([str(job.tasks_script)])
        yield dict(jobs)
        after = [f"--dependency=afterany:{jobs['tasks']}"]
    try:
        jobs[FINISH] = _sbatch([*after, str(job.finish_script)])
    finally:
        if numbers and FINISH not in jobs:
            _called(["scancel", jobs["tasks"]])
    yield dict(jobs)


def check_sbatch() -> None:
    """Raises InputError where this machine has no sbatch."""
    if shutil.which("sbatch") is None:
        raise InputError(NO_SBATCH, options=("cluster",))


def queued(jobs: Iterable[str]) -> dict[str, int]:
    """How many tasks of these jobs are in which state (PENDING, RUNNING, ...); none where all have ended. Raises
    InputError where the queue cannot be seen."""
    identifiers = [one for one in jobs if one]
    if not identifiers:
        return {}
    if shutil.which("squeue") is None:
        raise InputError(
            f"whether jobs {' '.join(identifiers)} still run cannot be seen here, where squeue is missing; submit from "
            "the cluster, or remove submission/submission.json once they have ended"
        )
    states: Counter[str] = Counter()
    for one in identifiers:  # squeue refuses several where it does not know the first
        done = _called(["squeue", "--noheader", "--array", "--format=%T", f"--jobs={one}"])
        if done.returncode and UNKNOWN not in done.stderr:
            raise InputError(f"squeue cannot say whether job {one} still runs: {_line(done.stderr)}; try again")
        states.update(done.stdout.split())
    return dict(states)


def _sbatch(arguments: Sequence[str]) -> str:
    check_sbatch()
    done = _called(["sbatch", "--parsable", *arguments])
    identifier = done.stdout.strip().partition(";")[0]  # of a cluster with a name, ID;NAME
    if done.returncode or not identifier.isdecimal():
        raise InputError(f"sbatch refuses {arguments[-1]}: {_line(done.stderr) or _line(done.stdout) or 'no reason'}")
    return identifier


def _called(words: Sequence[str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(words, capture_output=True, text=True, errors="replace", timeout=WAIT_S, check=False)
    except FileNotFoundError as error:
        raise InputError(f"{words[0]} is missing; {NO_SBATCH}", options=("cluster",)) from error
    except subprocess.TimeoutExpired as error:
        raise InputError(
            f"{words[0]} gave no answer within {WAIT_S} s; is the cluster's controller up? squeue shows "
            "whether it took the job"
        ) from error


def _line(text: str) -> str:
    return " ".join(text.split())[:300]
