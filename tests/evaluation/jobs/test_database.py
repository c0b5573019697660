"""The file with the table of jobs."""

import sqlite3

import pytest

from pneumoseg.data_io.errors import InputError
from pneumoseg.evaluation.jobs.database import Database

INSERT = "INSERT INTO jobs (id, request, name, state, created) VALUES ('one', '{}', 'Sylvia.nii', 'queued', 1)"


def test_a_block_that_raises_writes_nothing(tmp_path):
    database = Database(tmp_path / "jobs.sqlite3")
    with pytest.raises(ValueError, match="later"), database.writing() as rows:
        rows.execute(INSERT)
        raise ValueError("later")
    with database.reading() as rows:
        assert rows.execute("SELECT COUNT(*) FROM jobs").fetchone()[0] == 0
    database.close()


def test_two_open_tables_see_each_others_rows(tmp_path):
    one, other = (Database(tmp_path / "jobs.sqlite3") for _ in range(2))
    with one.writing() as rows:
        rows.execute(INSERT)
    with other.reading() as rows:
        assert rows.execute("SELECT id FROM jobs").fetchone()["id"] == "one"
    one.close()
    other.close()


def test_what_was_deleted_is_no_longer_in_the_files(tmp_path):
    database = Database(tmp_path / "jobs.sqlite3")
    with database.writing() as rows:
        rows.execute(INSERT)
    assert any(b"Sylvia" in path.read_bytes() for path in tmp_path.iterdir())
    with database.writing() as rows:
        rows.execute("DELETE FROM jobs")
    database.forget_deleted()
    assert not any(b"Sylvia" in path.read_bytes() for path in tmp_path.iterdir())
    database.close()


def test_other_files_are_refused(tmp_path):
    (tmp_path / "text.sqlite3").write_text("no database, but long enough to be looked at by SQLite " * 100)
    with pytest.raises(InputError, match="not a table of jobs"):
        Database(tmp_path / "text.sqlite3")
    newer = sqlite3.connect(tmp_path / "newer.sqlite3")
    newer.execute("PRAGMA user_version = 7")
    newer.close()
    with pytest.raises(InputError, match="version 1 is needed, found 7"):
        Database(tmp_path / "newer.sqlite3")
