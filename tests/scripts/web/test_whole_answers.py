import asyncio

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse

from pneumoseg.scripts.web.whole_answers import WholeAnswers, has_body

PARTS = [{"type": "http.request", "body": b"x", "more_body": more} for more in (True, True, False)]


def asked(app, headers: dict[str, str], parts: int = 3) -> tuple[list[dict], int]:
    """What is sent, and how many parts of the body are taken, of which so many arrive."""
    sent: list[dict] = []
    left = PARTS[:parts]

    async def receive():
        if not left:
            await asyncio.sleep(60)
        return left.pop(0)

    async def send(message) -> None:
        sent.append(message)

    scope = {"type": "http", "headers": [(name.encode(), value.encode()) for name, value in headers.items()]}
    asyncio.run(WholeAnswers(app, 0.1)(scope, receive, send))
    return sent, parts - len(left)


async def refuse(scope, receive, send) -> None:
    await PlainTextResponse("no", 413)(scope, receive, send)


async def read(scope, receive, send) -> None:
    while (await receive())["more_body"]:
        pass
    await PlainTextResponse("yes")(scope, receive, send)


def test_the_rest_of_a_refused_body_is_taken_after_the_answer():
    sent, taken = asked(refuse, {"content-length": "3"})
    assert taken == 3
    assert (b"connection", b"close") in sent[0]["headers"]
    assert [(part["body"], part.get("more_body", False)) for part in sent[1:]] == [(b"no", True), (b"", False)]


def test_a_body_that_does_not_end_is_not_waited_for_long():
    sent, taken = asked(refuse, {"transfer-encoding": "chunked"}, parts=2)
    assert (taken, sent[-1]["body"]) == (2, b"")


def test_clients_that_wait_to_be_asked_are_not():
    _, taken = asked(refuse, {"content-length": "3", "expect": "100-continue"})
    assert taken == 0


def test_bodies_that_were_read_or_are_none_change_nothing():
    for app, headers in ((read, {"content-length": "3"}), (refuse, {}), (refuse, {"content-length": "0"})):
        sent, _ = asked(app, headers)
        assert len(sent) == 2
        assert (b"connection", b"close") not in sent[0]["headers"]


def test_which_requests_have_a_body():
    assert has_body(Headers({"content-length": "1"}))
    assert has_body(Headers({"transfer-encoding": "chunked"}))
    assert not has_body(Headers({}))
