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

from pneumoseg.data_io.errors import InputError
from pneumoseg.evaluation.jobs.arrival import Answer, order
from pneumoseg.evaluation.jobs.content import UnknownContentError
from pneumoseg.evaluation.jobs.job import JobRequest
from pneumoseg.evaluation.jobs.memory import resident_bytes
from pneumoseg.evaluation.jobs.worker import WorkerOptions

COMMAND = (sys.executable, "-m", "pneumoseg.evaluation.jobs.arrival")
MOST_BYTES = 1 << 29
"""Of an upload that is read while its sender waits; larger ones are left to the job."""
TURN_S, READ_S = 10.0, 30.0
"""So long an upload waits for those before it, and so long it is read; then it is left to the job."""
MEMORY_BYTES = 4e9
WATCH_EVERY_S = 0.2


class Reception:
    """Reads the uploads of one server in one process, one after another; for one event loop. `folder`: of the jobs;
    `keep_identity`: as of `Supervisor`; `command`: starts the process, with its options as one more argument."""

    def __init__(self, folder: str | Path, *, keep_identity: bool = False, command: Sequence[str] = COMMAND) -> None:
        """Starts nothing yet."""
        self._options = WorkerOptions(f"{Path(folder).resolve()}", "arrival", os.getpid(), keep_identity=keep_identity)
        self._command = tuple(command)
        self._turn = asyncio.Lock()
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> asyncio.subprocess.Process:
        """The process; a new one where there is none, or it was ended."""
        if self._process is None or self._process.returncode is not None:
            self._process = await asyncio.create_subprocess_exec(
                *self._command,
                self._options.to_json(),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                start_new_session=True,
            )
        return self._process

    async def stop(self) -> None:
        """Ends the process."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()

    async def receive(self, request: JobRequest, upload: Path) -> None:
        """Takes in the files in the folder `upload`, as of `JobStore.arriving`, for a job of that `request`; or leaves
        them as they are, for the job to take in, where they are large or it is not soon their turn.

        Raises InputError as the job would, and OSError where the disk is full.
        """
        if sum(file.stat().st_size for file in upload.iterdir()) > MOST_BYTES:
            return
        try:
            async with asyncio.timeout(TURN_S):
                await self._turn.acquire()
        except TimeoutError:
            return
        try:
            answer = await self._asked(request, upload)
        finally:
            self._turn.release()
        if answer.reason == "disk":
            raise OSError(errno.ENOSPC, answer.sentence)
        if answer.reason is not None:
            raise (UnknownContentError if answer.reason == "kind" else InputError)(answer.sentence)

    async def _asked(self, request: JobRequest, upload: Path) -> Answer:
        """What the process says. It is ended where it says nothing in time, takes too much memory, or nobody waits."""
        process = await self.start()
        if process.stdin is None or process.stdout is None:
            return Answer()
        whole = False
        try:
            process.stdin.write(order(request, upload))
            answering = asyncio.ensure_future(process.stdout.readline())
            until = time.monotonic() + READ_S
            while not (await asyncio.wait({answering}, timeout=WATCH_EVERY_S))[0]:
                if resident_bytes(process.pid) > MEMORY_BYTES:
                    return Answer("content", f"reading it takes more than {MEMORY_BYTES / 1e9:g} GB of memory")
                if time.monotonic() > until:
                    return Answer()
            line = answering.result()
            whole = line.endswith(b"\n")
            return Answer.from_json(line) if whole else Answer("content", "it cannot be read; copy or export it again")
        finally:
            if not whole:
                await asyncio.shield(self.stop())
                _clear(upload)


def _clear(upload: Path) -> None:
    """Removes what was begun beside an upload."""
    for left in upload.parent.iterdir():
        if left != upload:
            shutil.rmtree(left, ignore_errors=True)
