"""The rows of the table of jobs: which count for what, what job a row is, and what becomes of one without worker."""

import json
import sqlite3
import time
from datetime import UTC, datetime

from pneumoseg.evaluation.jobs.job import Job, JobRequest

MOST_ATTEMPTS = 3

QUEUED_BEFORE = (
    "(SELECT COUNT(*) FROM jobs AS other WHERE other.state = 'queued' AND other.number < jobs.number) AS position"
)
VISIBLE = f"SELECT *, {QUEUED_BEFORE} FROM jobs WHERE wish IS NOT 'delete'"
"""Selects the jobs that there are for people, as `job_of` needs them; further conditions follow."""
WAITS = "state = 'queued' AND wish IS NULL"
OWN = "WHERE id = ? AND state = 'running' AND worker = ?"
"""The job of that id, while it is that worker's."""


def job_of(row: sqlite3.Row) -> Job:
    """The job of a row that `VISIBLE` selects."""
    return Job(
        id=row["id"],
        request=JobRequest.from_json(row["request"]),
        state=row["state"],
        name=row["name"],
        stage=row["stage"],
        progress=row["progress"],
        position=row["position"] if row["state"] == "queued" else None,
        created=datetime.fromtimestamp(row["created"], UTC),
        started=_time(row["started"]),
        finished=_time(row["finished"]),
        error=row["error"],
        warnings=tuple(json.loads(row["warnings"])),
        attempts=row["attempts"],
    )


def give_back(rows: sqlite3.Connection, row: sqlite3.Row, *, counted: bool) -> None:
    """Takes a job from its worker, within a transaction: it waits again, in its old place, or it ends, where that was
    asked for and after `MOST_ATTEMPTS`. With `counted` false, the attempt that ended does not count. One that is to be
    deleted stays as it is."""
    if row["wish"] == "delete":
        return
    attempts, now = row["attempts"] - (not counted), time.time()
    change: tuple[str, str | None, float | None, float | None]
    if row["wish"] == "cancel":
        change = ("cancelled", None, row["started"], now)
    elif attempts >= MOST_ATTEMPTS:
        sentence = f"The program ended {MOST_ATTEMPTS} times during this job; it is not tried again."
        change = ("failed", sentence, row["started"], now)
    else:
        change = ("queued", None, None, None)
    rows.execute(
        "UPDATE jobs SET state = ?, error = ?, started = ?, finished = ?, attempts = ?, worker = NULL, stage = NULL, "
        "progress = 0 WHERE id = ?",
        (*change, attempts, row["id"]),
    )


def _time(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
