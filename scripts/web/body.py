"""The body of a request as it arrives: in pieces, of limited size, from a client of limited slowness."""

import asyncio
import time
from collections.abc import AsyncIterator

from starlette.requests import ClientDisconnect, Request

from pneumoseg.scripts.web.limits import Limits
from pneumoseg.scripts.web.refusals import Refusal

PIECE_BYTES = 2**20


class Patience:
    """How long a client is waited for: `longest_s` at a time, and no longer than that in all beyond what the bytes
    that arrive take at `bytes_per_s`. Only waiting counts, not what is done with the bytes."""

    def __init__(self, longest_s: float, bytes_per_s: float) -> None:
        self._longest_s, self._bytes_per_s = longest_s, bytes_per_s
        self.left_s = longest_s

    def after(self, waited_s: float, received_bytes: int) -> None:
        """Counts a wait, and what came of it.

        >>> patience = Patience(30, 1000)
        >>> patience.after(waited_s=10, received_bytes=4000)
        >>> patience.left_s
        24.0
        """
        self.left_s = min(self._longest_s, self.left_s - waited_s + received_bytes / self._bytes_per_s)


async def pieces(request: Request, most_bytes: int, limits: Limits) -> AsyncIterator[bytes]:
    """The body in pieces of about a megabyte.

    Raises Refusal: 413 for a body, declared or real, of more than `most_bytes`, 408 for one that is too slow, 415 for a
    compressed one; ClientDisconnect where it ends early.
    """
    too_large = Refusal(413, f"A body has at most {most_bytes} bytes here.")
    if int(request.headers.get("content-length", 0)) > most_bytes:
        raise too_large
    if request.headers.get("content-encoding", "identity") != "identity":
        raise Refusal(415, "A body must not be compressed by HTTP; compressed files are sent as they are.")
    patience = Patience(limits.patience_s, limits.least_bytes_per_s)
    gathered, total, more = bytearray(), 0, True
    while more:
        started = time.monotonic()
        try:
            async with asyncio.timeout(max(0.0, patience.left_s)):
                message = await request.receive()
        except TimeoutError as error:
            raise Refusal(408, "The body arrives too slowly.") from error
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        body = message.get("body", b"")
        patience.after(time.monotonic() - started, len(body))
        more = message.get("more_body", False)
        total += len(body)
        if total > most_bytes:
            raise too_large
        gathered += body
        if len(gathered) >= PIECE_BYTES:
            yield bytes(gathered)
            gathered = bytearray()
    if gathered:
        yield bytes(gathered)


async def small_body(request: Request, limits: Limits) -> bytes:
    """The whole body of a call that uploads nothing. Raises as `pieces`."""
    return b"".join([piece async for piece in pieces(request, limits.small_body_bytes, limits)])
