"""Rows of the table of jobs."""

from datetime import UTC, datetime

import pytest

from pneumoseg.evaluation.jobs.database import Database
from pneumoseg.evaluation.jobs.job import JobRequest
from pneumoseg.evaluation.jobs.job_rows import MOST_ATTEMPTS, OWN, VISIBLE, WAITS, give_back, job_of


@pytest.fixture
def rows(tmp_path):
    """A table with a job that waits, one that runs and one that is to be deleted, and the same again."""
    database = Database(tmp_path / "jobs.sqlite3")
    with database.writing() as table:
        for number in range(2):
            for state, wish, worker in (("queued", None, None), ("running", None, "w"), ("queued", "delete", None)):
                table.execute(
                    "INSERT INTO jobs (id, request, name, state, wish, worker, created, started, attempts, warnings) "
                    "VALUES (?, ?, 'ct', ?, ?, ?, 5, ?, 1, '[\"Thick.\"]')",
                    (f"{state}{wish or ''}{number}", JobRequest("segmentation").to_json(), state, wish, worker,
                     7 if worker else None),
                )  # fmt: skip
        yield table
    database.close()


def one(rows, number):
    return rows.execute(f"{VISIBLE} AND id = ?", (number,)).fetchone()


def test_a_row_is_a_job(rows):
    waiting, running = (job_of(one(rows, number)) for number in ("queued1", "running1"))
    assert (waiting.state, waiting.started, waiting.warnings) == ("queued", None, ("Thick.",))
    assert waiting.created == datetime(1970, 1, 1, 0, 0, 5, tzinfo=UTC)
    assert (running.position, running.started.second, running.request) == (None, 7, JobRequest("segmentation"))
    assert one(rows, "queueddelete0") is None


def test_who_waits_and_whose_job_it_is(rows):
    assert [row["id"] for row in rows.execute(f"SELECT id FROM jobs WHERE {WAITS}")] == ["queued0", "queued1"]
    assert len(rows.execute(f"SELECT id FROM jobs {OWN}", ("running0", "w")).fetchall()) == 1
    assert rows.execute(f"SELECT id FROM jobs {OWN}", ("running0", "v")).fetchall() == []


@pytest.mark.parametrize(
    ("wish", "attempts", "counted", "state", "left"),
    [
        (None, 1, True, "queued", 1),
        (None, 1, False, "queued", 0),
        (None, MOST_ATTEMPTS, True, "failed", MOST_ATTEMPTS),
        (None, MOST_ATTEMPTS, False, "queued", MOST_ATTEMPTS - 1),
        ("cancel", 1, True, "cancelled", 1),
    ],
)
def test_a_job_without_its_worker(rows, wish, attempts, counted, state, left):
    rows.execute("UPDATE jobs SET wish = ?, attempts = ? WHERE id = 'running0'", (wish, attempts))
    give_back(rows, one(rows, "running0"), counted=counted)
    job = job_of(one(rows, "running0"))
    assert (job.state, job.attempts, job.finished is None) == (state, left, state == "queued")


def test_a_job_that_is_to_be_deleted_stays_for_the_deletion(rows):
    rows.execute("UPDATE jobs SET wish = 'delete' WHERE id = 'running0'")
    row = rows.execute("SELECT * FROM jobs WHERE id = 'running0'").fetchone()
    give_back(rows, row, counted=True)
    assert rows.execute("SELECT state FROM jobs WHERE id = 'running0'").fetchone()["state"] == "running"
