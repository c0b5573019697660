import asyncio

import pytest
from starlette.requests import ClientDisconnect, Request

from pneumoseg.scripts.web.body import PIECE_BYTES, Patience, pieces, small_body
from pneumoseg.scripts.web.limits import Limits
from pneumoseg.scripts.web.refusals import Refusal


def request_of(*bodies: bytes, disconnect: bool = False, **headers: str) -> Request:
    """A request whose body arrives in these parts."""
    messages = [{"type": "http.request", "body": body, "more_body": True} for body in bodies]
    messages.append({"type": "http.disconnect"} if disconnect else {"type": "http.request", "body": b""})
    left = iter(messages)

    async def receive():
        return next(left)

    given = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "headers": given}, receive)


def received(request: Request, most_bytes: int = 10**9) -> list[bytes]:
    async def all_pieces():
        return [piece async for piece in pieces(request, most_bytes, Limits())]

    return asyncio.run(all_pieces())


def test_small_parts_are_gathered():
    got = received(request_of(*[b"x" * 65_536] * 40))
    assert [len(piece) for piece in got] == [PIECE_BYTES, PIECE_BYTES, 8 * 65_536]
    assert received(request_of()) == []
    assert received(request_of(b"a", b"", b"b")) == [b"ab"]


def test_declared_and_real_sizes_are_limited():
    with pytest.raises(Refusal, match="at most 10 bytes") as refused:
        received(request_of(content_length="11"), 10)
    assert refused.value.status == 413
    with pytest.raises(Refusal, match="at most 10 bytes"):
        received(request_of(b"x" * 6, b"x" * 6), 10)
    assert received(request_of(b"x" * 10), 10) == [b"x" * 10]


def test_a_body_that_breaks_off_is_none():
    with pytest.raises(ClientDisconnect):
        received(request_of(b"x", disconnect=True))


def test_compressed_bodies_are_refused():
    with pytest.raises(Refusal, match="compressed") as refused:
        received(request_of(content_encoding="br"))
    assert refused.value.status == 415


def test_small_bodies_come_whole():
    assert asyncio.run(small_body(request_of(b'{"a"', b": 1}"), Limits())) == b'{"a": 1}'
    with pytest.raises(Refusal):
        asyncio.run(small_body(request_of(b"x" * 70_000), Limits()))


def test_patience_is_earned_by_bytes_and_never_more_than_it_was():
    patience = Patience(10.0, 100.0)
    patience.after(5.0, 0)
    assert patience.left_s == 5.0
    patience.after(1.0, 10_000)
    assert patience.left_s == 10.0
    for _ in range(20):  # a byte a second
        patience.after(1.0, 1)
    assert patience.left_s == pytest.approx(10 - 20 * 0.99)
