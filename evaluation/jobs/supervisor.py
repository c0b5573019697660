"""Keeps the workers running, and ends those whose job is cancelled, takes too long or too much memory."""

import os
import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from filelock import FileLock, Timeout

from pneumoseg.data_io.console import log
from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.dicom.deidentification.key_file import read_or_make_key
from pneumoseg.evaluation.jobs.memory import resident_bytes
from pneumoseg.evaluation.jobs.model_entry import ModelEntry
from pneumoseg.evaluation.jobs.store import JobStore
from pneumoseg.evaluation.jobs.worker import KEY, LOCKS, WorkerOptions, lock_of
from pneumoseg.pipeline.runtime.hardware import memory_gb

LOCK = "server.lock"
COMMAND = (sys.executable, "-m", "pneumoseg.evaluation.jobs.worker")
WATCH_EVERY_S = 0.2
EXPIRE_EVERY_S = 60.0
GRACE_S = 3.0
"""A worker that was asked to end its job has so long before it is killed: it then keeps its model."""
END_S = 10.0
MEMORY_SHARE = 0.9
SHORT_LIFE_S = 10.0
LONGEST_PAUSE_S = 30.0


@dataclass(frozen=True)
class Limits:
    """Of one job, `job_s` seconds and `memory_bytes`, by default most of what this process may use; jobs and their
    files are kept for `keep_s`."""

    job_s: float = 1800.0
    memory_bytes: float = field(default_factory=lambda: MEMORY_SHARE * memory_gb() * 1e9)
    keep_s: float = 86_400.0


@dataclass
class _Slot:
    """A place for one worker: the process in it, when it was started, how many before it ended soon, and since when its
    job is to end."""

    name: str = ""
    process: subprocess.Popen | None = None
    started: float = 0.0
    short_lives: int = 0
    asked: dict[str, float] = field(default_factory=dict)


class Supervisor:
    """The workers of one folder of jobs. `models`: those that jobs may ask for; `keep_identity`: DICOM and NIfTI
    headers stay as they come; `command`: starts a worker, with its options as one more argument."""

    def __init__(
        self,
        folder: str | Path,
        *,
        models: Sequence[ModelEntry] = (),
        workers: int = 1,
        limits: Limits | None = None,
        keep_identity: bool = False,
        threads: int | None = None,
        command: Sequence[str] = COMMAND,
    ) -> None:
        """Starts nothing yet."""
        self._folder, self._models, self._limits = Path(folder), tuple(models), limits or Limits()
        self._keep_identity, self._threads, self._command = keep_identity, threads, tuple(command)
        self._slots = [_Slot() for _ in range(workers)]
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._held = ExitStack()

    @property
    def has_worker(self) -> bool:
        """Whether a worker is there to do jobs."""
        return any(slot.process is not None and slot.process.poll() is None for slot in self._slots)

    def start(self) -> None:
        """Takes the folder, puts right what a killed server left, and starts the workers. Raises InputError where
        another server has the folder."""
        with ExitStack() as held:
            store = held.enter_context(JobStore(self._folder))
            try:
                held.enter_context(FileLock(self._folder / LOCK, timeout=0, thread_local=False))
            except Timeout as error:
                raise InputError(f"{self._folder}: another server uses this folder; stop it first") from error
            _await_workers(self._folder)
            store.recover()
            store.tidy()
            if not self._keep_identity:
                read_or_make_key(self._folder / KEY)  # once, before several processes need it
            self._held = held.pop_all()
        for slot in self._slots:
            self._start_worker(slot)
        self._thread = threading.Thread(target=self._watch, args=(store,), name="supervisor", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ends the workers; their jobs wait for the next start."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()
        self._held.close()

    def _watch(self, store: JobStore) -> None:
        expired = 0.0
        try:
            while not self._stopping.wait(WATCH_EVERY_S):
                try:
                    self._look_after(store)
                    if time.monotonic() - expired > EXPIRE_EVERY_S:
                        expired = time.monotonic()
                        store.expire(self._limits.keep_s)
                except Exception as error:  # noqa: BLE001  (as of a full disk: without this thread nothing ends)
                    log.error("the supervisor of the jobs goes on after an error: %s", type(error).__name__)
        finally:
            for slot in self._slots:
                _end(slot)
            store.recover(counted=False)

    def _look_after(self, store: JobStore) -> None:
        self._end_jobs(store)
        dead = [slot for slot in self._slots if slot.process is not None and slot.process.poll() is not None]
        if dead:
            store.recover(alive=[slot.name for slot in self._slots if slot not in dead])
        for slot in self._slots:
            if slot.process is None or slot in dead:
                self._restart(slot)

    def _end_jobs(self, store: JobStore) -> None:
        to_end, running, now = store.to_end(), store.running(), time.monotonic()
        for slot in self._slots:
            if job_id := to_end.get(slot.name):
                if now - slot.asked.setdefault(job_id, now) > GRACE_S:
                    _end(slot)
                continue
            slot.asked.clear()
            job = running.get(slot.name)
            if job is None or job.started is None or slot.process is None:
                continue
            reason = self._beyond_limits(time.time() - job.started.timestamp(), slot.process.pid)
            if reason is not None:
                store.fail(job.id, slot.name, reason)
                _end(slot)

    def _beyond_limits(self, seconds: float, process: int) -> str | None:
        limits = self._limits
        if seconds > limits.job_s:
            return f"The job took longer than {limits.job_s:g} seconds, the limit of this server."
        if resident_bytes(process) > limits.memory_bytes:
            return f"The job took more than {limits.memory_bytes / 1e9:.1f} GB of memory, the limit of this server."
        return None

    def _restart(self, slot: _Slot) -> None:
        """Starts another worker; after several that ended at once, not before a pause."""
        now = time.monotonic()
        if slot.process is not None:
            by_itself = (slot.process.returncode or 0) > 0
            if by_itself:
                log.error("a worker ended by itself (exit code %s)", slot.process.returncode)
            slot.short_lives = slot.short_lives + 1 if by_itself and now - slot.started < SHORT_LIFE_S else 0
            slot.process, slot.name = None, ""
        pause_s = min(2.0 ** (slot.short_lives - 2), LONGEST_PAUSE_S) if slot.short_lives > 1 else 0.0
        if now - slot.started >= pause_s:
            self._start_worker(slot)

    def _start_worker(self, slot: _Slot) -> None:
        slot.name, slot.started = secrets.token_hex(8), time.monotonic()
        slot.asked.clear()
        options = WorkerOptions(
            f"{self._folder.resolve()}", slot.name, os.getpid(), self._models, self._keep_identity, self._threads
        )
        slot.process = subprocess.Popen(
            [*self._command, options.to_json()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )


def _end(slot: _Slot) -> None:
    """Kills the worker, as it may be anywhere; what it had begun is put right by `JobStore.recover`."""
    if slot.process is not None:
        slot.process.kill()
        slot.process.wait()


def _await_workers(folder: Path) -> None:
    """Waits until the workers of a killed server are gone, which notice that within a second."""
    for lock in (folder / LOCKS).glob("*.lock"):
        try:
            with lock_of(folder, lock.stem).acquire(timeout=END_S):
                lock.unlink(missing_ok=True)
        except Timeout as error:
            raise InputError(f"{folder}: a worker of an earlier server is still running; end it first") from error
