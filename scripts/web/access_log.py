"""The access log: what was asked and how it ended, without names, ids or addresses."""

import logging
import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pneumoseg.data_io.console import terminal

access = logging.getLogger("pneumoseg-access")
"""Apart from `console.log`, which keeps what it is told for files."""
access.propagate = False
access.setLevel(logging.INFO)
access.addHandler(terminal)

LEFT = 499
"""The status of a request whose client went before it was answered."""
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


class AccessLog:
    """Logs method, template of the address, status and milliseconds of each request."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started, status = time.perf_counter(), LEFT

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, noted)
        finally:
            method = scope["method"] if scope["method"] in METHODS else "?"
            route = getattr(scope.get("route"), "path", "?")
            access.info("%s %s %d %.0f ms", method, route, status, (time.perf_counter() - started) * 1000)
