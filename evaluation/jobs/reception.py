"""Uploads are read as they arrive, so that what is no input is refused at once: the server's side of `arrival`."""

import asyncio
import errno
import os
import shutil
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from pneumoseg.data_io.console import log
from pneumoseg.data_io.errors import InputError
from pneumoseg.evaluation.jobs.arrival import Answer, order
from pneumoseg.evaluation.jobs.content import UnknownContentError
from pneumoseg.evaluation.jobs.job import JobRequest
from pneumoseg.evaluation.jobs.memory import resident_bytes
from pneumoseg.evaluation.jobs.store import INPUT
from pneumoseg.evaluation.jobs.worker import WorkerOptions

COMMAND = (sys.executable, "-m", "pneumoseg.evaluation.jobs.arrival")
MOST_BYTES = 1 << 29
"""Of an upload that is read while its sender waits; larger ones are left to the job."""
TURN_S, READ_S, MEMORY_BYTES = 10.0, 30.0, 4e9
"""So long an upload waits for those before it; so long it is read, with so much memory; else it is left to the job."""
WATCH_EVERY_S = 0.2
UNREADABLE = Answer("content", "it cannot be read; copy or export it again")


class Reception:
    """Reads the uploads of one server in one process, one after another; for one event loop. `folder`: of the jobs;
    `keep_identity`: as of `Supervisor`; `command`: starts the process, with its options as one more argument."""

    def __init__(self, folder: str | Path, *, keep_identity: bool = False, command: Sequence[str] = COMMAND) -> None:
        """Starts nothing yet."""
        self._options = WorkerOptions(f"{Path(folder).resolve()}", "arrival", os.getpid(), keep_identity=keep_identity)
        self._command = tuple(command)
        self._turn = asyncio.Lock()
        self._process: asyncio.subprocess.Process | None = None
        self._starting: asyncio.Task[None] | None = None
        self._stopped = False

    def start(self) -> None:
        """Starts the process, before the first upload needs it."""
        self._starting = asyncio.create_task(self._start())

    async def stop(self) -> None:
        """Ends the process for good. What it reads and what waits is left to the jobs."""
        self._stopped = True
        await self._end()
        if self._starting is not None:
            await self._starting  # cancelled, asyncio would wait for pipes that nobody opens

    async def receive(self, request: JobRequest, upload: Path) -> None:
        """Takes in the files in the folder `upload`, as of `JobStore.arriving`, for a job of that `request`; or leaves
        them as they are, for the job to take in, where they are large or it is not soon their turn.

        Raises InputError as the job would, and OSError where the disk is full.
        """
        if await asyncio.to_thread(_size_bytes, upload) > MOST_BYTES:
            return
        try:
            async with asyncio.timeout(TURN_S):
                await self._turn.acquire()
        except TimeoutError:
            return
        try:  # again, as the process may have ended before it was asked
            answer = await self._asked(request, upload) or await self._asked(request, upload) or UNREADABLE
        finally:
            self._turn.release()
        if answer.reason == "disk":
            raise OSError(errno.ENOSPC, answer.sentence)
        if answer.reason is not None:
            raise (UnknownContentError if answer.reason == "kind" else InputError)(answer.sentence)

    async def _asked(self, request: JobRequest, upload: Path) -> Answer | None:
        """What the process says; None where it ends instead. It is ended where it does not say it in time."""
        process = await self._running()
        if process is None or process.stdin is None or process.stdout is None:
            return Answer()
        line = b""
        try:
            process.stdin.write(order(request, upload))
            answering = asyncio.ensure_future(process.stdout.readline())
            until = time.monotonic() + READ_S
            while not (await asyncio.wait({answering}, timeout=WATCH_EVERY_S))[0]:
                if time.monotonic() > until or resident_bytes(process.pid) > MEMORY_BYTES:
                    return Answer()
            line = answering.result()
            return Answer.from_json(line) if line.endswith(b"\n") else None
        finally:
            if not line.endswith(b"\n"):
                await asyncio.shield(self._end())
                await asyncio.to_thread(_clear, upload)

    async def _start(self) -> None:
        async with self._turn:
            await self._running()

    async def _running(self) -> asyncio.subprocess.Process | None:
        """The process, a new one where there is none; None where none can be started, and after `stop`."""
        if self._stopped:
            return None
        if self._process is None or self._process.returncode is not None:
            try:
                self._process = await asyncio.create_subprocess_exec(
                    *self._command,
                    self._options.to_json(),
                    stdin=asyncio.subprocess.PIPE,
                    stdout=asyncio.subprocess.PIPE,
                    start_new_session=True,
                )
                if self._stopped or not await _is_ready(self._process):
                    await self._end()
            except OSError:
                self._process = None
            if self._process is None and not self._stopped:
                log.error("the process that reads uploads cannot be started: their jobs read them")
        return self._process

    async def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()


async def _is_ready(process: asyncio.subprocess.Process) -> bool:
    """Whether the process says in time that it can be asked."""
    with suppress(TimeoutError):
        async with asyncio.timeout(READ_S):
            return process.stdout is not None and bool(await process.stdout.readline())
    return False


def _size_bytes(upload: Path) -> int:
    return sum(file.stat().st_size for file in upload.iterdir())


def _clear(upload: Path) -> None:
    """Removes what was begun beside an upload. An input is whole, and its upload may be gone already."""
    for left in upload.parent.iterdir():
        if left.name not in (upload.name, INPUT):
            shutil.rmtree(left, ignore_errors=True)
