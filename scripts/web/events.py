"""A job at each change, as server-sent events."""

import asyncio
import time
from collections.abc import AsyncIterator

from fastapi.concurrency import run_in_threadpool

from pneumoseg.scripts.web.schemas import job_answer
from pneumoseg.scripts.web.service import Service

EVERY_S = 0.3
KEEP_ALIVE_S = 15.0
"""After so long without a change a comment is sent, for proxies that close silent connections."""
EVENTS = "text/event-stream"


async def changes(service: Service, number: str) -> AsyncIterator[str]:
    """`data: JOB` now and at each change, until the job has ended or is deleted, or the server stops."""
    shown, said = "", time.monotonic()
    while not service.stopping.is_set():
        job = await run_in_threadpool(service.store.get, number)
        if job is None:
            return
        now = job_answer(job).model_dump_json()
        if now != shown:
            yield f"data: {now}\n\n"
            shown, said = now, time.monotonic()
        elif time.monotonic() - said >= KEEP_ALIVE_S:
            yield ": still there\n\n"
            said = time.monotonic()
        if job.has_ended:
            return
        await asyncio.sleep(EVERY_S)
