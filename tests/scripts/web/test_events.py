import asyncio

from pneumoseg.scripts.web import events
from pneumoseg.scripts.web.limits import Limits
from tests.scripts.web.served import API, serving


def test_silent_streams_get_comments(tmp_path, monkeypatch):
    monkeypatch.setattr(events, "KEEP_ALIVE_S", 0.1)
    monkeypatch.setattr(events, "EVERY_S", 0.05)
    with serving(tmp_path) as served:
        job = served.upload(name="hold")
        with served.client.stream("GET", job["urls"]["events"]) as answer:
            comments = 0
            for line in answer.iter_lines():
                comments += line == ": still there"
                if comments == 2:
                    served.workers.released.set()
        assert comments >= 2


def test_a_job_that_is_gone_has_no_events(served):
    service = served.service

    async def told() -> list[str]:
        return [one async for one in events.changes(service, "none")]

    assert asyncio.run(told()) == []


def test_too_many_listeners_are_429(tmp_path):
    with serving(tmp_path, limits=Limits(reserve_bytes=0, listeners=1)) as served:
        job = served.upload(name="hold")
        with served.client.stream("GET", job["urls"]["events"]) as first:
            lines = first.iter_lines()
            next(lines)
            answer = served.client.get(job["urls"]["events"])
            assert (answer.status_code, answer.headers["retry-after"]) == (429, "30")
        served.workers.released.set()
        served.ended(job)
        for _ in range(50):
            if (answer := served.client.get(job["urls"]["events"])).status_code == 200:
                break
        assert answer.status_code == 200
        assert served.client.get(f"{API}/jobs").status_code == 200
