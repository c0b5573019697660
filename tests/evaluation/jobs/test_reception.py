"""Uploads are read while they arrive, by a stand-in for the process that does; what real uploads get is tested in
test_arrival.py and tests/scripts/web/test_hostile_uploads.py."""

import asyncio
import errno
import json
import os
import signal
import sys
import time

import pytest

from pneumoseg.data_io.errors import InputError
from pneumoseg.evaluation.jobs import reception
from pneumoseg.evaluation.jobs.content import UnknownContentError
from pneumoseg.evaluation.jobs.job import JobRequest
from pneumoseg.evaluation.jobs.reception import Reception

STAND_IN = """
import json, os, sys, time
from pathlib import Path

print(flush=True)
for line in sys.stdin:
    upload = Path(json.loads(line)[1])
    orders = (upload / "0").read_text().split()
    (upload.parent / "begun").mkdir()
    for order in orders:
        if order == "end":
            os._exit(1)
        if order == "sleep":
            time.sleep(60)
        if order == "input":
            (upload.parent / "input").mkdir()
        if order == "hoard":
            hoard = bytearray(200_000_000)
            time.sleep(60)
    (upload.parent / "begun").rmdir()
    reason, sentence = (*orders, None)[0], f"By {os.getpid()}."
    print(json.dumps({"reason": None if reason == "take" else reason, "sentence": sentence}), flush=True)
"""
REQUEST = JobRequest("segmentation")


@pytest.fixture
def received(store):
    """A function that sends uploads one after another, then gives what was raised of each, and what lay beside it."""

    def send(*contents, at_once=False, command=(sys.executable, "-c", STAND_IN)):
        async def one(reading, content):
            with store.arriving() as upload:
                (upload / "0").write_text(content)
                try:
                    await reading.receive(REQUEST, upload)
                except (InputError, OSError) as error:
                    return error, sorted(path.name for path in upload.parent.iterdir())
                return None, sorted(path.name for path in upload.parent.iterdir())

        async def all_of_them():
            reading = Reception(store.folder, command=command)
            reading.start()
            try:
                if at_once:
                    return await asyncio.gather(*(one(reading, content) for content in contents))
                return [await one(reading, content) for content in contents]
            finally:
                await reading.stop()

        return asyncio.run(all_of_them())

    return send


def test_answers_become_errors_of_one_process(received):
    taken, kind, content, disk, again = received("take", "kind", "content", "disk", "content")
    assert taken == (None, ["upload"])
    assert type(kind[0]) is UnknownContentError
    assert type(content[0]) is InputError
    assert disk[0].errno == errno.ENOSPC
    assert str(kind[0]) == str(content[0]) == str(again[0])  # of the same process


def test_an_upload_that_ends_the_process_is_refused_and_the_next_one_read(received):
    ended, next_one = received("end", "take")
    assert "cannot be read" in str(ended[0])
    assert ended[1] == next_one[1] == ["upload"]
    assert next_one[0] is None


def test_an_upload_that_takes_long_is_left_to_its_job_with_what_is_whole(received, monkeypatch):
    monkeypatch.setattr(reception, "READ_S", 1.5)
    assert received("sleep", "input sleep") == [(None, ["upload"]), (None, ["input", "upload"])]


def test_an_upload_that_takes_much_memory_is_left_to_its_job(received, monkeypatch):
    monkeypatch.setattr(reception, "MEMORY_BYTES", 1e8)
    assert received("hoard") == [(None, ["upload"])]


def test_a_large_upload_is_left_to_its_job(received, monkeypatch):
    monkeypatch.setattr(reception, "MOST_BYTES", 3)
    assert received("content") == [(None, ["upload"])]


def test_an_upload_waits_for_its_turn_and_no_longer(received, monkeypatch):
    monkeypatch.setattr(reception, "TURN_S", 0.2)
    monkeypatch.setattr(reception, "READ_S", 3.0)
    started = time.monotonic()
    assert received("sleep", "content", at_once=True) == [(None, ["upload"])] * 2
    assert time.monotonic() - started < 30
    monkeypatch.setattr(reception, "TURN_S", 60.0)
    taken, refused = received("take", "content", at_once=True)
    assert taken[0] is None
    assert isinstance(refused[0], InputError)


def test_the_answer_to_a_sender_who_left_is_no_one_elses(store):
    async def leave_then_send():
        reading = Reception(store.folder, command=(sys.executable, "-c", STAND_IN))
        with store.arriving() as first, store.arriving() as second:
            (first / "0").write_text("sleep content")
            (second / "0").write_text("take")
            leaving = asyncio.ensure_future(reading.receive(REQUEST, first))
            await asyncio.sleep(0.5)
            leaving.cancel()
            with pytest.raises(asyncio.CancelledError):
                await leaving
            await reading.receive(REQUEST, second)
        await reading.stop()

    asyncio.run(leave_then_send())


@pytest.mark.parametrize("command", [(sys.executable, "-c", "exit(1)"), ("no-such-program",)])
def test_without_a_process_uploads_are_left_to_their_jobs(received, caplog, command):
    assert received("content", "content", command=command) == [(None, ["upload"])] * 2
    assert "the process that reads uploads cannot be started" in caplog.text


def test_an_idle_process_that_ends_is_replaced(store):
    async def end_then_send():
        reading = Reception(store.folder, command=(sys.executable, "-c", STAND_IN))
        with store.arriving() as upload:
            (upload / "0").write_text("take")
            await reading.receive(REQUEST, upload)
            ended = reading._process.pid
            os.kill(ended, signal.SIGKILL)
            time.sleep(0.2)  # the loop has not noticed
            await reading.receive(REQUEST, upload)
            assert reading._process.pid != ended
        await reading.stop()

    asyncio.run(end_then_send())


def test_stopping_leaves_what_is_read_and_what_waits_to_the_jobs(store):
    async def stop_meanwhile():
        reading = Reception(store.folder, command=(sys.executable, "-c", STAND_IN))
        with store.arriving() as first, store.arriving() as second:
            for upload in (first, second):
                (upload / "0").write_text("sleep content")
            sent = [asyncio.ensure_future(reading.receive(REQUEST, upload)) for upload in (first, second)]
            await asyncio.sleep(0.5)
            await reading.stop()
            assert await asyncio.gather(*sent) == [None, None]
            assert reading._process is None

    started = time.monotonic()
    asyncio.run(stop_meanwhile())
    assert time.monotonic() - started < 20


def test_orders_are_lines(tmp_path):
    line = reception.order(REQUEST, tmp_path / "a\nb")
    assert line.count(b"\n") == 1
    assert JobRequest.from_json(json.loads(line)[0]) == REQUEST
