"""Why a task has no result, as its log and its exit code say: both lie in the folder, whatever the cluster knows."""

import re
from pathlib import Path

from pneumoseg.evaluation.submission.array_job import KILLED, ArrayJob

MEMORY = re.compile(r"oom[_-]kill|exceeded (job )?memory limit|OUT_OF_MEMORY|CANCELLED.* DUE TO OOM")
OTHERS = (
    (re.compile(r"DUE TO TIME LIMIT"), "it reached its time limit; give more by --time"),
    (re.compile(r"DUE TO NODE FAIL"), "its node failed"),
    (re.compile(r"DUE TO PREEMPTION"), "it was preempted"),
    (re.compile(r"\bCANCELLED\b"), "it was cancelled"),
)
"""What SLURM writes to the log of a task that it ends."""
TAIL_BYTES = 20_000


def reason_of(job: ArrayJob, number: int) -> str:
    """Why a task that was submitted before has no result, in words."""
    name = job.tasks.name_of(number)
    tail = _tail(job.log_of(name))
    code = _exit_code(job.place / "failed" / name)
    if MEMORY.search(tail) or code == KILLED:
        return _killed_for_memory(job, by_limit=bool(MEMORY.search(tail)))
    for pattern, words in OTHERS:
        if pattern.search(tail):
            return words
    if code is None:
        if not job.log_of(name).is_file():
            return "it did not begin; was it cancelled?"
        return "it ended without an exit code: killed, or its node was lost"
    lines = [line.strip() for line in tail.splitlines() if line.strip()]
    return f"it ended with code {code}" + (f": {lines[-1][:300]}" if lines else "")


def _killed_for_memory(job: ArrayJob, *, by_limit: bool) -> str:
    limit_gb, estimate_gb = job.resources.memory_gb, job.estimate_gb
    limit = "" if limit_gb is None else f" of {limit_gb:g} GB"
    killed = (
        f"it was killed by its memory limit{limit}"
        if by_limit
        else "it was killed by signal 9, as where memory runs out"
    )
    estimate = "there is no estimate" if estimate_gb is None else f"the estimate is {estimate_gb:.1f} GB"
    return f"{killed} ({estimate}); give more by --memory-gb"


def _exit_code(file: Path) -> int | None:
    try:
        return int(file.read_text(encoding="utf-8")[:10])
    except (OSError, ValueError):
        return None


def _tail(log: Path) -> str:
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - TAIL_BYTES))
            return file.read().decode("utf-8", "replace")
    except OSError:
        return ""
