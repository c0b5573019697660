"""What is asked and answered, as the description of the API (OpenAPI) states it."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from pneumoseg.evaluation.jobs.job import Job, Kind, ResultFile, State

PREFIX = "/api/v1"
LONGEST_ID = 100
LONGEST_NAME = 1000


class ErrorAnswer(BaseModel):
    """Why a request is refused."""

    error: str = Field(description="One sentence.")


class JobLinks(BaseModel):
    """Where more about a job is."""

    self: str
    events: str
    results: str


class JobAnswer(BaseModel):
    """A job at one moment."""

    id: str
    kind: Kind
    state: State
    name: str = Field(description="For people: text of whoever uploaded it, never markup.")
    model: str | None = Field(description="That is used; null until one is chosen, where none was named.")
    parents: list[str] = Field(description="Jobs whose results it uses; of a follow-up the earlier one first.")
    stage: str | None = Field(description="What is being done, while it runs.")
    progress: float = Field(ge=0, le=1)
    position: int | None = Field(description="Jobs that are done before it, while it waits.")
    created: datetime
    started: datetime | None
    finished: datetime | None
    error: str | None
    warnings: list[str]
    urls: JobLinks


class ResultAnswer(BaseModel):
    """A file among the results of a job."""

    name: str
    title: str
    media_type: str
    bytes: int
    url: str


class ModelAnswer(BaseModel):
    """A model that jobs may name."""

    name: str
    kind: Literal["ct", "picture"]
    classes: list[str]
    colours: list[list[int]] = Field(description="Red, green and blue of each class, 0..255.")
    calibrated: bool = Field(description="Whether masks get a verdict.")


class HealthAnswer(BaseModel):
    """A server that does jobs."""

    status: Literal["ok"]
    version: str
    queue: int = Field(description="Jobs that wait.")
    max_upload_bytes: int


class FollowUpBody(BaseModel):
    """Two finished segmentations of CTs of one patient."""

    model_config = ConfigDict(extra="forbid")

    baseline: str = Field(max_length=LONGEST_ID)
    follow_up: str = Field(max_length=LONGEST_ID)


REASONS = {
    400: "The request is malformed.",
    401: "The server's token is missing or wrong.",
    403: "The Host or the Origin is foreign.",
    404: "There is no such job, or no such result.",
    408: "The body arrives too slowly.",
    409: "The state of a job does not allow it.",
    413: "The body is too large.",
    415: "The content is of a kind that is not taken.",
    422: "The content cannot be used.",
    429: "Too much at a time; Retry-After says when to ask again.",
    500: "The server failed.",
    503: "No worker is there, or too many connections are open.",
    507: "The disk is full.",
}
ALWAYS = (400, 401, 403, 500, 503)
"""Codes that each call may answer."""
UPLOADS = (408, 413, 415, 422, 429, 507)


def answers(*codes: int) -> dict[int | str, dict[str, Any]]:
    """The refusals of a call, for its description."""
    described: dict[int | str, dict[str, Any]] = {}
    for code in sorted({*ALWAYS, *codes}):
        described[code] = {"model": ErrorAnswer, "description": REASONS[code]}
        if code in (429, 503):
            described[code]["headers"] = {"Retry-After": {"description": "Seconds.", "schema": {"type": "integer"}}}
    return described


def job_answer(job: Job) -> JobAnswer:
    """A job as others see it."""
    here = f"{PREFIX}/jobs/{job.id}"
    links = JobLinks(self=here, events=f"{here}/events", results=f"{here}/results")
    return JobAnswer(**job.public_dict(), urls=links)


def result_answer(job: Job, result: ResultFile) -> ResultAnswer:
    """A result as others see it."""
    url = f"{PREFIX}/jobs/{job.id}/results/{result.name}"
    return ResultAnswer(name=result.name, title=result.title, media_type=result.media_type, bytes=result.bytes, url=url)
