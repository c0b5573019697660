"""Calls about jobs that are there: their states, their end, their results."""

import os
from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any, BinaryIO

from fastapi import APIRouter, Depends, Path
from fastapi.responses import Response, StreamingResponse

from pneumoseg.evaluation.jobs.job import ResultFile
from pneumoseg.scripts.web.events import EVENTS, changes
from pneumoseg.scripts.web.refusals import Refusal
from pneumoseg.scripts.web.schemas import PREFIX, JobAnswer, ResultAnswer, answers, job_answer, result_answer
from pneumoseg.scripts.web.service import Service, service_of

PIECE_BYTES = 256 * 1024
EVENT = {"type": "object", "properties": {"data": {"type": "string", "description": "A job."}}, "required": ["data"]}

router = APIRouter(prefix=PREFIX, tags=["jobs"])
Here = Annotated[Service, Depends(service_of)]
Id = Annotated[str, Path(description="Id of a job.")]


@router.get("/jobs", responses=answers())
def list_jobs(service: Here) -> list[JobAnswer]:
    """All jobs, the newest first."""
    return [job_answer(job) for job in service.store.jobs()]


@router.get("/jobs/{job_id}", responses=answers(404))
def read_job(service: Here, job_id: Id) -> JobAnswer:
    """One job."""
    return job_answer(service.job(job_id))


async def listening(service: Here) -> AsyncIterator[None]:
    """Counts a listener until its answer has ended. Raises Refusal."""
    with service.admission.listener():
        yield


@router.get(
    "/jobs/{job_id}/events",
    dependencies=[Depends(listening)],
    response_class=StreamingResponse,
    responses={200: {"content": {EVENTS: {"schema": EVENT}}}, **answers(404, 429)},
)
def listen_to_job(service: Here, job_id: Id) -> StreamingResponse:
    """The job now and at each change, as server-sent events (`data: JOB`), until it has ended or is deleted."""
    service.job(job_id)
    return StreamingResponse(changes(service, job_id), media_type=EVENTS)


@router.post("/jobs/{job_id}/cancel", responses=answers(404, 409))
def cancel_job(service: Here, job_id: Id) -> JobAnswer:
    """Ends a job: at once if it waits, within seconds if it runs."""
    job = service.job(job_id)
    if job.has_ended:
        raise Refusal(409, f"The job has ended already; it is {job.state}.")
    service.store.cancel(job_id)
    return job_answer(service.job(job_id))


@router.delete("/jobs/{job_id}", status_code=204, response_class=Response, responses=answers(404))
def delete_job(service: Here, job_id: Id) -> None:
    """Deletes a job with all its files; one that runs is ended."""
    service.job(job_id)
    service.store.delete(job_id)


@router.get("/jobs/{job_id}/results", responses=answers(404, 409))
def list_results(service: Here, job_id: Id) -> list[ResultAnswer]:
    """The files that a finished job made."""
    job = service.job(job_id)
    if job.state != "finished":
        raise Refusal(409, f"Only finished jobs have results; this one is {job.state}.")
    return [result_answer(job, result) for result in service.store.results(job_id)]


def open_result(
    service: Here, job_id: Id, name: Annotated[str, Path(description="Name of a result.")]
) -> Iterator[tuple[ResultFile, BinaryIO]]:
    """A result with its open file, which stays whole if the job is deleted meanwhile. Raises Refusal."""
    listed = {result.name: result for result in service.store.results(job_id)}
    path = service.store.result_path(job_id, name)
    try:
        if path is None or name not in listed:
            raise FileNotFoundError
        file = path.open("rb")
    except FileNotFoundError as error:
        raise Refusal(404, "There is no such result.") from error
    with file:
        yield listed[name], file


BINARY: dict[str, Any] = {"content": {"*/*": {"schema": {"type": "string", "format": "binary"}}}}


@router.get("/jobs/{job_id}/results/{name}", response_class=StreamingResponse, responses={200: BINARY, **answers(404)})
def read_result(opened: Annotated[tuple[ResultFile, BinaryIO], Depends(open_result)]) -> StreamingResponse:
    """A file, as an attachment."""
    result, file = opened
    headers = {
        "Content-Length": str(os.fstat(file.fileno()).st_size),
        "Content-Disposition": f'attachment; filename="{result.name}"',
    }
    return StreamingResponse(iter(lambda: file.read(PIECE_BYTES), b""), media_type=result.media_type, headers=headers)
