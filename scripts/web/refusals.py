"""Refused requests: a status code and one sentence, whoever refuses."""

import sqlite3
import traceback
from collections.abc import Mapping

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pneumoseg.data_io.console import log
from pneumoseg.evaluation.jobs.sentences import NO_SPACE

SENTENCES = {404: "There is nothing at this address.", 405: "This address does not take this method."}


class Refusal(Exception):
    """A request that is refused, with the `status` and the `sentence` of the answer."""

    def __init__(self, status: int, sentence: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(sentence)
        self.status, self.sentence, self.headers = status, sentence, dict(headers or {})

    @property
    def answer(self) -> JSONResponse:
        """`{"error": sentence}`."""
        return JSONResponse({"error": self.sentence}, self.status, self.headers)


def refusal_of(error: Exception) -> Refusal:
    """The refusal that stands for an error: full disks are 507, what nobody expected is 500 and logged without what the
    request held."""
    if isinstance(error, Refusal):
        return error
    if isinstance(error, RequestValidationError):
        first = error.errors()[0]
        return Refusal(400, f"{first['loc'][-1]}: {first['msg']}.")
    if isinstance(error, HTTPException):
        sentence = SENTENCES.get(error.status_code, "This request cannot be answered.")
        return Refusal(error.status_code, sentence, error.headers)
    full = isinstance(error, sqlite3.Error) and getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
    if full or (isinstance(error, OSError) and error.errno in NO_SPACE):
        return Refusal(507, "The disk of the server is full; delete jobs, or try again later.")
    place = traceback.extract_tb(error.__traceback__)[-1]
    log.error("unexpected %s in %s, line %s", type(error).__name__, place.name, place.lineno)
    return Refusal(500, "The server failed at this request; its log says where.")


async def refused(request: Request, error: Exception) -> JSONResponse:
    """The answer of an error within a route."""
    return refusal_of(error).answer


class Refusals:
    """Answers what no route did: errors of the layers before, and unexpected ones."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        begun = False

        async def noted(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self.app(scope, receive, noted)
        except Exception as error:
            refusal = refusal_of(error)
            if begun:
                raise
            await refusal.answer(scope, receive, send)
