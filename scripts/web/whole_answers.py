"""Answers that reach clients which are still sending."""

import asyncio
import contextlib

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class WholeAnswers:
    """Takes and drops the rest of a body that was not read, for at most `longest_s`, before the connection is closed:
    a connection that is closed on unread bytes is reset, and the client's system may then drop the answer."""

    def __init__(self, app: ASGIApp, longest_s: float = 2.0) -> None:
        self.app, self.longest_s = app, longest_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        if scope["type"] != "http" or not has_body(Headers(scope=scope)):
            await self.app(scope, receive, send)
            return
        # A client that waits for "100 Continue" sends nothing before it is asked.
        asked = "expect" not in Headers(scope=scope)
        ended = False

        async def received() -> Message:
            nonlocal asked, ended
            asked = True
            message = await receive()
            ended = ended or not message.get("more_body", False)
            return message

        async def sent(message: Message) -> None:
            if ended:
                await send(message)
            elif message["type"] == "http.response.start":
                await send({**message, "headers": [*message["headers"], (b"connection", b"close")]})
            else:
                await send({**message, "more_body": True})
                if not message.get("more_body", False):
                    await dropped()
                    await send({"type": "http.response.body", "body": b""})

        async def dropped() -> None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self.longest_s if asked else 0.0):
                    while asked and not ended:
                        await received()

        await self.app(scope, received, sent)


def has_body(headers: Headers) -> bool:
    """Whether a request with these headers has a body."""
    return "transfer-encoding" in headers or headers.get("content-length", "0") != "0"
