"""Every refusal is a status and one sentence."""

import errno
import logging
import sqlite3

import pytest
from starlette.exceptions import HTTPException

from pneumoseg.data_io.console import recent
from pneumoseg.scripts.web.refusals import Refusal, refusal_of
from tests.scripts.web.served import API


def test_what_is_known_has_its_status():
    assert refusal_of(Refusal(409, "No.")).sentence == "No."
    assert refusal_of(HTTPException(404)).sentence == "There is nothing at this address."
    assert refusal_of(OSError(errno.EDQUOT, "quota", "/x")).status == 507
    full = sqlite3.OperationalError("database or disk is full")
    full.sqlite_errorcode = sqlite3.SQLITE_FULL
    assert refusal_of(full).status == 507


@pytest.mark.parametrize("error", [OSError(errno.EACCES, "denied", "/home/x"), sqlite3.OperationalError("locked")])
def test_what_is_not_expected_is_500(error):
    try:
        raise error
    except (OSError, sqlite3.Error) as raised:
        refusal = refusal_of(raised)
    assert (refusal.status, refusal.sentence) == (500, "The server failed at this request; its log says where.")


def test_an_error_within_is_answered_and_logged_without_what_was_sent(served, monkeypatch):
    def fail(number):
        raise RuntimeError(f"Doe^John {number}")

    monkeypatch.setattr(served.store, "get", fail)
    answer = served.client.get(f"{API}/jobs/secret")
    assert answer.status_code == 500
    assert answer.json() == {"error": "The server failed at this request; its log says where."}
    (message,) = [record.getMessage() for record in recent.buffer if record.levelno == logging.ERROR][-1:]
    assert message.startswith("unexpected RuntimeError in fail, line ")


def test_addresses_and_methods_that_are_none(served):
    answer = served.client.get("/api/v2/jobs")
    assert (answer.status_code, answer.json()) == (404, {"error": "There is nothing at this address."})
    answer = served.client.put(f"{API}/jobs")
    assert (answer.status_code, answer.json()) == (405, {"error": "This address does not take this method."})
    assert set(answer.headers["allow"].replace(" ", "").split(",")) <= {"GET", "POST"}
