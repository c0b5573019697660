"""Uploads on their way to jobs: body, files, what they are, a job in the queue."""

import asyncio
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path

from fastapi.concurrency import contextmanager_in_threadpool, run_in_threadpool
from starlette.requests import Request

from pneumoseg.data_io.errors import InputError
from pneumoseg.evaluation.jobs.content import UnknownContentError
from pneumoseg.evaluation.jobs.intake import look
from pneumoseg.evaluation.jobs.job import Job, JobRequest
from pneumoseg.evaluation.jobs.sentences import sentence
from pneumoseg.scripts.web.arriving_files import ArrivingFiles, arriving_files
from pneumoseg.scripts.web.body import pieces
from pneumoseg.scripts.web.refusals import Refusal
from pneumoseg.scripts.web.service import Service

NO_ROOM = "The disk of the server has no room for this upload; delete jobs, or try again later."


async def new_job(service: Service, create: Callable[[Path], Job]) -> Job:
    """A new job that `create` makes of an empty folder, in a thread. Raises Refusal where no job is taken now."""

    async def made(folder: Path) -> Job:
        return await asyncio.to_thread(create, folder)

    return await admitted(service, made)


async def uploaded_job(
    request: Request, service: Service, wanted: JobRequest, name: str, *, study: str | None = None
) -> Job:
    """A new job of what the request brings; `name`: of a raw body's file; `study`: that the job is about, by default
    the upload itself.

    Nothing of a request that fails stays. Raises Refusal, ClientDisconnect and OSError.
    """

    async def made(folder: Path) -> Job:
        names = await received(request, service, folder, name)
        try:
            found = await asyncio.to_thread(look, folder)
            if service.reception is not None:
                await service.reception.receive(wanted, folder)
        except InputError as error:
            status = 415 if isinstance(error, UnknownContentError) else 422
            raise Refusal(status, sentence(str(error), folder)) from error
        called = study or found.name(names[0])
        return await asyncio.to_thread(service.store.create, wanted, called, folder)

    return await admitted(service, made)


async def admitted(service: Service, make: Callable[[Path], Awaitable[Job]]) -> Job:
    """What `make` makes of an empty folder, where a job is taken now. Raises Refusal."""
    await run_in_threadpool(service.need_workers)
    waiting = await run_in_threadpool(service.store.queued_count)
    with service.admission.new_job(waiting):
        async with contextmanager_in_threadpool(service.store.arriving()) as folder:
            return await make(folder)


async def received(request: Request, service: Service, folder: Path, name: str) -> list[str]:
    """Streams the body into files in `folder`; the names that their sender gave them. Raises as `uploaded_job`."""
    limits = service.limits
    declared = int(request.headers.get("content-length", 0))
    need_room(folder, declared, limits.reserve_bytes)
    files = arriving_files(request.headers.get("content-type", ""), folder, name=name, most_files=limits.files)
    try:
        async for piece in pieces(request, limits.upload_bytes, limits):
            await asyncio.to_thread(write, files, piece, folder, limits.reserve_bytes)
        return await asyncio.to_thread(files.close)
    except BaseException:
        files.abandon()
        raise


def write(files: ArrivingFiles, piece: bytes, folder: Path, reserve_bytes: int) -> None:
    """Writes one piece where the disk has room for it. Raises Refusal."""
    need_room(folder, len(piece), reserve_bytes)
    files.write(piece)


def need_room(folder: Path, size_bytes: int, reserve_bytes: int) -> None:
    """Raises Refusal where the disk would have less than `reserve_bytes` free after so much."""
    if shutil.disk_usage(folder).free - size_bytes < reserve_bytes:
        raise Refusal(507, NO_ROOM)
