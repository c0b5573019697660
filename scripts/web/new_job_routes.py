"""Calls that make jobs."""

from functools import partial
from pathlib import Path as PathOnDisk
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response
from pydantic import ValidationError

from pneumoseg.evaluation.jobs.job import Job, JobRequest, shown_name
from pneumoseg.scripts.web.arriving_files import FIELD, FORM, RAW
from pneumoseg.scripts.web.body import small_body
from pneumoseg.scripts.web.refusals import Refusal
from pneumoseg.scripts.web.schemas import (
    LONGEST_NAME,
    PREFIX,
    UPLOADS,
    FollowUpBody,
    JobAnswer,
    answers,
    job_answer,
)
from pneumoseg.scripts.web.service import Service, service_of
from pneumoseg.scripts.web.uploads import new_job, uploaded_job

router = APIRouter(prefix=PREFIX, tags=["new jobs"])
Here = Annotated[Service, Depends(service_of)]
FileName = Annotated[str, Query(max_length=LONGEST_NAME, description="Name of the file of a raw body, for people.")]

BYTES = {"type": "string", "format": "binary"}
UPLOAD: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            RAW: {"schema": BYTES},
            FORM: {
                "schema": {
                    "type": "object",
                    "properties": {FIELD: {"type": "array", "items": BYTES, "minItems": 1}},
                    "required": [FIELD],
                    "additionalProperties": False,
                }
            },
        },
    }
}
CT_MASK = "mask.nii.gz"
JSON = "application/json"
FOLLOW_UP = {"requestBody": {"required": True, "content": {JSON: {"schema": FollowUpBody.model_json_schema()}}}}
LOCATION: dict[int | str, dict[str, Any]] = {
    202: {"headers": {"Location": {"description": "Address of the job.", "schema": {"type": "string"}}}}
}


def accepted(response: Response, job: Job) -> JobAnswer:
    """The answer for a new job."""
    answer = job_answer(job)
    response.headers["Location"] = answer.urls.self
    return answer


@router.post("/jobs", status_code=202, openapi_extra=UPLOAD, responses={**LOCATION, **answers(*UPLOADS)})
async def segment(
    service: Here,
    request: Request,
    response: Response,
    filename: FileName = "",
    model: Annotated[str | None, Query(max_length=LONGEST_NAME, description="Name of a model.")] = None,
) -> JobAnswer:
    """Segments a CT (NIfTI, NRRD, MetaImage, a zip of a DICOM series, or its slices as several parts of a form) or a
    picture (PNG, JPEG). A raw body is quicker than a form."""
    if model and model not in {one.name for one in service.models}:
        raise Refusal(422, "There is no model of that name.")
    job = await uploaded_job(request, service, JobRequest("segmentation", model or None), filename)
    return accepted(response, job)


@router.post(
    "/jobs/{job_id}/scores",
    status_code=202,
    openapi_extra=UPLOAD,
    responses={**LOCATION, **answers(404, 409, *UPLOADS)},
)
async def score(
    service: Here,
    request: Request,
    response: Response,
    job_id: Annotated[str, Path(description="Id of a finished segmentation.")],
    filename: FileName = "",
) -> JobAnswer:
    """Scores the mask of a finished segmentation against a reference mask, which is uploaded."""
    parent = await run_in_threadpool(finished_segmentation, service, job_id)
    wanted = JobRequest("scores", parents=(job_id,))
    job = await uploaded_job(request, service, wanted, filename, study=parent.name)
    return accepted(response, job)


@router.post(
    "/follow-ups",
    status_code=202,
    openapi_extra=FOLLOW_UP,
    responses={**LOCATION, **answers(404, 409, *UPLOADS)},
)
async def follow_up(service: Here, request: Request, response: Response) -> JobAnswer:
    """Compares two finished segmentations of CTs of one patient."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != JSON:
        raise Refusal(415, f"The body is sent as {JSON}.")
    try:
        both = FollowUpBody.model_validate_json(await small_body(request, service.limits))
    except ValidationError as error:
        raise Refusal(400, 'The body must be {"baseline": ID, "follow_up": ID}.') from error
    if both.baseline == both.follow_up:
        raise Refusal(422, "A follow-up compares two different jobs.")
    job = await new_job(service, partial(compared, service, both))
    return accepted(response, job)


def compared(service: Service, both: FollowUpBody, folder: PathOnDisk) -> Job:
    """The follow-up job of two jobs. Raises Refusal where they are not both finished segmentations of CTs."""
    parents = (both.baseline, both.follow_up)
    names = [finished_segmentation(service, one, of_ct=True).name for one in parents]
    return service.store.create(JobRequest("follow-up", parents=parents), shown_name(" to ".join(names)), folder)


def finished_segmentation(service: Service, number: str, of_ct: bool = False) -> Job:
    """The job of that id. Raises Refusal where there is none, or it is no finished segmentation."""
    job = service.job(number)
    if job.kind != "segmentation" or job.state != "finished":
        raise Refusal(409, f"This needs a finished segmentation; the job is a {job.state} job of kind {job.kind}.")
    if of_ct and CT_MASK not in {result.name for result in service.store.results(number)}:
        raise Refusal(409, "This needs a segmentation of a CT; the job is one of a picture.")
    return job
