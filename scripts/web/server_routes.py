"""Calls about the server."""

from typing import Annotated

from fastapi import APIRouter, Depends

from pneumoseg.scripts.web.schemas import PREFIX, HealthAnswer, ModelAnswer, answers
from pneumoseg.scripts.web.service import Service, service_of

router = APIRouter(prefix=PREFIX, tags=["server"])
Here = Annotated[Service, Depends(service_of)]


@router.get("/health", responses=answers())
def read_health(service: Here) -> HealthAnswer:
    """Whether jobs are done; 503 where they are not."""
    service.need_workers()
    return HealthAnswer(
        status="ok",
        version=service.version,
        queue=service.store.queued_count(),
        max_upload_bytes=service.limits.upload_bytes,
    )


@router.get("/models", responses=answers())
def list_models(service: Here) -> list[ModelAnswer]:
    """The models that jobs may name."""
    return [ModelAnswer(**model.public_dict()) for model in service.models]
