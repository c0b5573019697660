"""The table of jobs: a SQLite file that several processes use at a time."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pneumoseg.data_io.errors import InputError

VERSION = 1
"""Of the table; a file of another version is refused."""
WAIT_S = 30.0
"""So long one process waits for another to write."""

SCHEMA = """
CREATE TABLE jobs (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    request TEXT NOT NULL,
    name TEXT NOT NULL,
    state TEXT NOT NULL,
    wish TEXT,
    worker TEXT,
    attempts INTEGER NOT NULL DEFAULT 0,
    stage TEXT,
    progress REAL NOT NULL DEFAULT 0,
    created REAL NOT NULL,
    started REAL,
    finished REAL,
    error TEXT,
    warnings TEXT NOT NULL DEFAULT '[]',
    results TEXT NOT NULL DEFAULT '[]'
)
"""
"""`wish`: "cancel" or "delete", asked for while a worker is at the job. Times in seconds since 1970."""


class Database:
    """An open table of jobs, for all threads of one process. What is deleted is overwritten in the file.

    Raises InputError for a file that is no such table, or one of another version.
    """

    def __init__(self, path: Path) -> None:
        """Opens the file, or makes it."""
        self._lock = threading.RLock()
        self._connection = sqlite3.connect(path, timeout=WAIT_S, isolation_level=None, check_same_thread=False)
        try:
            self._prepare(path)
        except sqlite3.DatabaseError as error:
            self.close()
            raise InputError(f"{path}: not a table of jobs ({error}); move it elsewhere") from error
        except InputError:
            self.close()
            raise

    def _prepare(self, path: Path) -> None:
        self._connection.row_factory = sqlite3.Row
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA secure_delete = ON")
        with self.writing() as rows:
            (version,) = rows.execute("PRAGMA user_version").fetchone()
            if version == 0:
                rows.execute(SCHEMA)
                rows.execute(f"PRAGMA user_version = {VERSION}")
            elif version != VERSION:
                raise InputError(
                    f"{path}: a table of jobs of version {VERSION} is needed, found {version}; give another folder"
                )

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """The connection, for single statements that read."""
        with self._lock:
            yield self._connection

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """The connection within a transaction that no other writer interrupts; nothing is written if the block
        raises."""
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def forget_deleted(self) -> None:
        """Empties the log of changes, in which deleted rows are still to be read, unless another process reads it."""
        with self._lock:
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        """Closes the file."""
        self._connection.close()
