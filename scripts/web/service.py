"""What the routes work with."""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from starlette.requests import Request

from pneumoseg.evaluation.jobs.job import Job
from pneumoseg.evaluation.jobs.models import ModelEntry
from pneumoseg.evaluation.jobs.reception import Reception
from pneumoseg.evaluation.jobs.store import JobStore
from pneumoseg.scripts.web.admission import Admission
from pneumoseg.scripts.web.limits import Limits
from pneumoseg.scripts.web.refusals import Refusal

WORKER_S = 1.0


class Workers(Protocol):
    """Those that do the jobs."""

    @property
    def has_worker(self) -> bool:
        """Whether one is there to do jobs."""


@dataclass(frozen=True)
class Service:
    """The jobs of a server, the `workers` that do them, the `models` that they may name, what is taken at a time, and
    the `reception` that reads uploads as they arrive; without one the jobs read them."""

    store: JobStore
    workers: Workers
    models: Sequence[ModelEntry]
    limits: Limits
    version: str
    admission: Admission
    reception: Reception | None = None
    stopping: threading.Event = field(default_factory=threading.Event)

    def job(self, number: str) -> Job:
        """The job of that id. Raises Refusal where there is none."""
        job = self.store.get(number)
        if job is None:
            raise Refusal(404, "There is no such job; it may have been deleted.")
        return job

    def need_workers(self) -> None:
        """Raises Refusal where no worker is there, nor comes soon, as one does in the place of one that was ended."""
        deadline = time.monotonic() + WORKER_S
        while not self.workers.has_worker:
            if time.monotonic() > deadline:
                raise Refusal(503, "No worker is there to do jobs; try again later.", {"Retry-After": "10"})
            time.sleep(0.1)


async def service_of(request: Request) -> Service:
    """The service of the app that got the request; asynchronous, as that spares a change of threads."""
    return request.app.state.service
