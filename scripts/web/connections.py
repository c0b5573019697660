"""Connections that are not held for nothing: few at a time, with requests that begin and answers that are read in
time."""

import asyncio
import json

from uvicorn.protocols.http.h11_impl import H11Protocol

from pneumoseg.scripts.web.limits import Limits
from pneumoseg.scripts.web.security import HEADERS

PHRASES = {400: "Bad Request", 408: "Request Timeout", 503: "Service Unavailable"}


def connection_class(limits: Limits) -> type[H11Protocol]:
    """The connections of a server with these limits, for uvicorn."""

    class Connection(H11Protocol):
        """A connection; what it refuses never becomes a request."""

        _deadline: asyncio.TimerHandle | None = None
        _reader_deadline: asyncio.TimerHandle | None = None

        def connection_made(self, transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            if len(self.connections) > limits.connections:
                self._refuse(503, "Too many connections are open; try again later.")
            else:
                self._expect_request()

        def data_received(self, data: bytes) -> None:
            if self.transport.is_closing():
                return
            super().data_received(data)
            if self.cycle is not None and not self.cycle.response_complete:
                self._stop_waiting()
            else:
                self._expect_request()

        def send_400_response(self, msg: str) -> None:
            self._refuse(400, "This is no HTTP request.")

        def connection_lost(self, exc: Exception | None) -> None:
            self._stop_waiting()
            self.resume_writing()
            super().connection_lost(exc)

        def pause_writing(self) -> None:
            super().pause_writing()
            self._reader_deadline = self.loop.call_later(limits.patience_s, self.transport.abort)

        def resume_writing(self) -> None:
            if self._reader_deadline is not None:
                self._reader_deadline.cancel()
                self._reader_deadline = None
            super().resume_writing()

        def _expect_request(self) -> None:
            if self._deadline is None and not self.transport.is_closing():
                self._deadline = self.loop.call_later(
                    limits.request_s, self._refuse, 408, "The request arrives too slowly."
                )

        def _stop_waiting(self) -> None:
            if self._deadline is not None:
                self._deadline.cancel()
                self._deadline = None

        def _refuse(self, status: int, sentence: str) -> None:
            self.transport.write(whole_answer(status, sentence))
            self.transport.close()

    return Connection


def whole_answer(status: int, sentence: str) -> bytes:
    """An answer with all that belongs to it, after which the connection is closed."""
    body = json.dumps({"error": sentence}).encode()
    headers = HEADERS | {
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        "Cache-Control": "no-store",
        "Connection": "close",
    }
    lines = [f"HTTP/1.1 {status} {PHRASES[status]}", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode() + body
