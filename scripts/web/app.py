"""The page and the API as one application (ASGI)."""

import importlib.metadata
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from pneumoseg.evaluation.jobs.models import ModelEntry
from pneumoseg.evaluation.jobs.reception import Reception
from pneumoseg.evaluation.jobs.store import JobStore
from pneumoseg.scripts.web import job_routes, new_job_routes, server_routes
from pneumoseg.scripts.web.access_log import AccessLog
from pneumoseg.scripts.web.admission import Admission
from pneumoseg.scripts.web.limits import Limits
from pneumoseg.scripts.web.page_files import page_router
from pneumoseg.scripts.web.refusals import Refusal, Refusals, refused
from pneumoseg.scripts.web.schemas import PREFIX
from pneumoseg.scripts.web.security import Guard, Guarded, SecureAnswers
from pneumoseg.scripts.web.service import Service, Workers
from pneumoseg.scripts.web.whole_answers import WholeAnswers

PAGE = Path(__file__).parent / "page"
OFF: Any = {"tracing": False, "metrics": False, "logs": False, "operation_spans": False, "auto_configure": False}


def create_app(
    store: JobStore,
    workers: Workers,
    models: Sequence[ModelEntry],
    *,
    guard: Guard,
    limits: Limits | None = None,
    reception: Reception | None = None,
    page: Path = PAGE,
) -> FastAPI:
    """The application over the jobs in `store`, which `workers` do, with the files of the page in the folder `page`;
    its `state.service` is the Service. `models`: those that jobs may name; `guard`: who may ask; `reception`: as of
    Service."""
    limits = limits or Limits()
    version = importlib.metadata.version("pneumoseg")
    app = FastAPI(
        title="pneumoseg",
        description="Segments lungs and infection in CTs. For research only, not a medical device.",
        version=version,
        openapi_url=f"{PREFIX}/openapi.json",
        docs_url=None,  # FastAPI's pages load scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,
        telemetry=OFF,
        generate_unique_id_function=lambda route: route.name,
    )
    app.state.service = Service(store, workers, models, limits, version, Admission(limits), reception)
    for routes in (new_job_routes, job_routes, server_routes):
        app.include_router(routes.router)
    app.include_router(page_router(page))
    for error in (Refusal, HTTPException, RequestValidationError):
        app.add_exception_handler(error, refused)
    describe(app, needs_token=guard.token is not None)
    # The last one is the outermost.
    app.add_middleware(Guarded, guard=guard)
    app.add_middleware(Refusals)
    app.add_middleware(WholeAnswers)
    app.add_middleware(SecureAnswers)
    app.add_middleware(AccessLog)
    return app


def describe(app: FastAPI, needs_token: bool) -> None:
    """Completes the app's description: without the answers of FastAPI that it never gives, and with the token."""
    description = app.openapi()
    for calls in description["paths"].values():
        for call in calls.values():
            if "HTTPValidationError" in str(call["responses"].get("422", "")):
                del call["responses"]["422"]
    for name in ("HTTPValidationError", "ValidationError"):
        description["components"]["schemas"].pop(name, None)
    if needs_token:
        description["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        description["security"] = [{"token": []}]
