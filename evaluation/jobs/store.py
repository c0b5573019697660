"""The jobs of a server: their table and their files.

`FOLDER/jobs.sqlite3` and `FOLDER/jobs/ID/` with `upload/` (what arrived), `input/` (what is segmented) and `results/`.
Each change is one transaction, so that whatever is killed, a job is in one state and its results are whole or absent.
A worker changes a job only while the job is its own: one whose job was given to another is told so.
"""

import json
import os
import secrets
import shutil
import sqlite3
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from pneumoseg.data_io.errors import InputError
from pneumoseg.evaluation.jobs.database import Database
from pneumoseg.evaluation.jobs.job import Job, JobRequest, ResultFile
from pneumoseg.evaluation.jobs.job_rows import OWN, VISIBLE, WAITS, give_back, job_of

UPLOAD, INPUT, RESULTS = "upload", "input", "results"
PRIVATE = 0o700


class JobStore:
    """The jobs in `folder`, which is made where it is not there, for this user alone. Raises InputError where the
    folder cannot be used, and as `Database`."""

    def __init__(self, folder: str | Path) -> None:
        """Opens the table."""
        self.folder = Path(folder)
        self._jobs, self._arriving = self.folder / "jobs", self.folder / "arriving"
        try:
            for place in (self.folder, self._jobs, self._arriving):
                place.mkdir(mode=PRIVATE, parents=True, exist_ok=True)
            self._database = Database(self.folder / "jobs.sqlite3")
        except (OSError, sqlite3.OperationalError) as error:
            raise InputError(f"{folder}: jobs cannot be kept there ({error}); give a folder of this user") from error

    def close(self) -> None:
        """Closes the table."""
        self._database.close()

    def __enter__(self) -> "JobStore":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def arriving(self) -> Iterator[Path]:
        """A new folder for files that arrive, for `create`; removed in the end, with what was made beside it, unless a
        job took it."""
        place = self._arriving / secrets.token_hex(16)
        place.mkdir(mode=PRIVATE)
        try:
            upload = place / UPLOAD
            upload.mkdir()
            yield upload
        finally:
            shutil.rmtree(place, ignore_errors=True)

    def create(self, request: JobRequest, name: str, upload: Path) -> Job:
        """A new job, queued. Its files are those in the folder `upload`, as of `arriving`, and what was made beside
        it, which move. `name`: as of `job.shown_name`."""
        job_id = secrets.token_urlsafe(18)
        try:
            os.rename(upload.parent, self.folder_of(job_id))
            with self._database.writing() as rows:
                rows.execute(
                    "INSERT INTO jobs (id, request, name, state, created) VALUES (?, ?, ?, 'queued', ?)",
                    (job_id, request.to_json(), name, time.time()),
                )
        except (OSError, sqlite3.OperationalError):  # as of a full disk
            self._remove_files(job_id)
            raise
        return self._known(job_id)

    def get(self, job_id: str) -> Job | None:
        """The job of that id; None where there is none."""
        with self._database.reading() as rows:
            row = rows.execute(f"{VISIBLE} AND id = ?", (job_id,)).fetchone()
        return None if row is None else job_of(row)

    def jobs(self) -> list[Job]:
        """All jobs, the newest first."""
        with self._database.reading() as rows:
            return [job_of(row) for row in rows.execute(f"{VISIBLE} ORDER BY number DESC")]

    def queued_count(self) -> int:
        """How many jobs wait."""
        with self._database.reading() as rows:
            return int(rows.execute(f"SELECT COUNT(*) FROM jobs WHERE {WAITS}").fetchone()[0])

    def folder_of(self, job_id: str) -> Path:
        """Where the files of a job lie."""
        return self._jobs / job_id

    # What a worker does.

    def claim(self, worker: str) -> Job | None:
        """Gives the oldest queued job to a worker; None where none waits."""
        with self._database.writing() as rows:
            first = f"SELECT number FROM jobs WHERE {WAITS} ORDER BY number LIMIT 1"
            row = rows.execute(
                "UPDATE jobs SET state = 'running', worker = ?, attempts = attempts + 1, started = ?, progress = 0, "
                f"stage = NULL WHERE number = ({first}) RETURNING id",
                (worker, time.time()),
            ).fetchone()
        return None if row is None else self.get(row["id"])

    def report(self, job_id: str, worker: str, *, stage: str, progress: float) -> bool:
        """Says how far a worker is; False where the job is no longer this worker's, or is to end."""
        with self._database.writing() as rows:
            changed = rows.execute(
                f"UPDATE jobs SET stage = ?, progress = ? {OWN} AND wish IS NULL", (stage, progress, job_id, worker)
            )
            return changed.rowcount == 1

    def name_model(self, job_id: str, worker: str, model: str) -> None:
        """Says which model a worker takes for its job, which may have named none; another attempt takes the same."""
        with self._database.writing() as rows:
            rows.execute(f"UPDATE jobs SET request = json_set(request, '$.model', ?) {OWN}", (model, job_id, worker))

    def finish(
        self, job_id: str, worker: str, made: Path, files: Sequence[ResultFile], *, warnings: Sequence[str] = ()
    ) -> bool:
        """Ends a job with its results, the `files` in the folder `made`, which moves; False where the job is no longer
        this worker's, or is to end: then nothing is changed."""
        results = self.folder_of(job_id) / RESULTS
        with self._database.writing() as rows:
            changed = rows.execute(
                "UPDATE jobs SET state = 'finished', stage = NULL, progress = 1, finished = ?, results = ?, "
                f"warnings = ?, worker = NULL {OWN} AND wish IS NULL",
                (time.time(), json.dumps([asdict(one) for one in files]), json.dumps([*warnings]), job_id, worker),
            )
            if changed.rowcount != 1:
                return False
            shutil.rmtree(results, ignore_errors=True)  # of an attempt that was killed within this transaction
            os.rename(made, results)
        return True

    def fail(self, job_id: str, worker: str, sentence: str) -> bool:
        """Ends a job without results, with the reason, and removes its files; False where the job is no longer this
        worker's, or is to end."""
        with self._database.writing() as rows:
            changed = rows.execute(
                f"UPDATE jobs SET state = 'failed', stage = NULL, finished = ?, error = ?, worker = NULL {OWN} "
                "AND wish IS NULL",
                (time.time(), sentence, job_id, worker),
            )
            if changed.rowcount != 1:
                return False
        self._remove_files(job_id)
        return True

    # What people ask for.

    def cancel(self, job_id: str) -> Job | None:
        """Ends a job and removes its files: one that waits at once; one that runs when its worker has ended, until when
        it is running. A job that has ended stays as it is. None where there is no such job."""
        with self._database.writing() as rows:
            waited = rows.execute(
                "UPDATE jobs SET state = 'cancelled', finished = ? WHERE id = ? AND state = 'queued'",
                (time.time(), job_id),
            )
            rows.execute(
                "UPDATE jobs SET wish = 'cancel' WHERE id = ? AND state = 'running' AND wish IS NULL", (job_id,)
            )
        if waited.rowcount == 1:
            self._remove_files(job_id)
        return self.get(job_id)

    def delete(self, job_id: str) -> bool:
        """Removes a job and its files; of one that runs what its worker still makes goes with the worker. False where
        there is no such job."""
        with self._database.writing() as rows:
            asked = rows.execute(
                "UPDATE jobs SET wish = 'delete', name = '', error = NULL WHERE id = ? AND wish IS NOT 'delete'",
                (job_id,),
            )
            if asked.rowcount != 1:
                return False
        with self._database.reading() as rows:
            (state,) = rows.execute("SELECT state FROM jobs WHERE id = ?", (job_id,)).fetchone()
        self._remove_files(job_id)
        if state != "running":
            self._remove_rows([job_id])
        return True

    def results(self, job_id: str) -> list[ResultFile]:
        """The files that a finished job made; none of others."""
        with self._database.reading() as rows:
            row = rows.execute(
                "SELECT results FROM jobs WHERE id = ? AND state = 'finished' AND wish IS NOT 'delete'", (job_id,)
            ).fetchone()
        return [] if row is None else [ResultFile(**one) for one in json.loads(row["results"])]

    def result_path(self, job_id: str, name: str) -> Path | None:
        """Where a file of `results` lies; None where there is no file of that name among them."""
        known = {one.name for one in self.results(job_id)}
        return self.folder_of(job_id) / RESULTS / name if name in known else None

    # What the supervisor of the workers does.

    def to_end(self) -> dict[str, str]:
        """The workers whose jobs are to be cancelled or deleted, with the jobs' ids."""
        with self._database.reading() as rows:
            found = rows.execute("SELECT worker, id FROM jobs WHERE state = 'running' AND wish IS NOT NULL")
            return {row["worker"]: row["id"] for row in found}

    def running(self) -> dict[str, Job]:
        """The workers that have a job, with it."""
        with self._database.reading() as rows:
            found = rows.execute(f"{VISIBLE} AND state = 'running'")
            return {row["worker"]: job_of(row) for row in found}

    def recover(self, alive: Collection[str] = (), *, counted: bool = True) -> None:
        """Puts jobs whose worker is not among those `alive` back into the queue, in their old place; those that were to
        end, end; those begun three times fail. With `counted` false, the attempt that ended does not count: it was
        ended on purpose."""
        with self._database.writing() as rows:
            found = rows.execute("SELECT * FROM jobs WHERE state = 'running' OR wish = 'delete'").fetchall()
            lost = [row for row in found if row["worker"] not in alive]
            for row in lost:
                give_back(rows, row, counted=counted)
        self._forget(lost)

    def release(self, worker: str) -> None:
        """Ends the jobs of a worker that were to be cancelled or deleted, now that it no longer works on them."""
        with self._database.writing() as rows:
            lost = rows.execute("SELECT * FROM jobs WHERE worker = ? AND wish IS NOT NULL", (worker,)).fetchall()
            for row in lost:
                give_back(rows, row, counted=True)
        self._forget(lost)

    def expire(self, older_than_s: float) -> None:
        """Deletes the jobs that ended, or have been waiting, for longer than that."""
        before = time.time() - older_than_s
        with self._database.reading() as rows:
            found = rows.execute(
                "SELECT id FROM jobs WHERE state != 'running' AND COALESCE(finished, created) < ?", (before,)
            ).fetchall()
        for row in found:
            self.delete(row["id"])

    def tidy(self) -> None:
        """Removes files that belong to no job, as killed processes leave them. Only while nothing else uses the
        folder."""
        with self._database.reading() as rows:
            known = {row["id"] for row in rows.execute("SELECT id FROM jobs")}
        for place in (*self._jobs.iterdir(), *self._arriving.iterdir()):
            if place.parent != self._jobs or place.name not in known:
                shutil.rmtree(place)

    def _known(self, job_id: str) -> Job:
        job = self.get(job_id)
        if job is None:
            raise InputError("the job was deleted meanwhile")
        return job

    def _forget(self, lost: Sequence[sqlite3.Row]) -> None:
        """Removes the files of jobs that do not wait again, and the rows of those that were to be deleted."""
        for row in lost:
            job = self.get(row["id"])
            if job is None or job.has_ended:
                self._remove_files(row["id"])
        self._remove_rows([row["id"] for row in lost if row["wish"] == "delete"])

    def _remove_files(self, job_id: str) -> None:
        shutil.rmtree(self.folder_of(job_id), ignore_errors=True)

    def _remove_rows(self, job_ids: Sequence[str]) -> None:
        if job_ids:
            with self._database.writing() as rows:
                rows.executemany("DELETE FROM jobs WHERE id = ?", [(job_id,) for job_id in job_ids])
            self._database.forget_deleted()
