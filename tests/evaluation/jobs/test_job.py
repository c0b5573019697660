"""What a job is called, and what others may know of it."""

import json
from datetime import UTC, datetime

import pytest

from pneumoseg.data_io.errors import InputError
from pneumoseg.evaluation.jobs.job import LONGEST_NAME, Job, JobRequest, shown_name

AT = datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)


def job(**changes):
    facts = {
        "id": "abc",
        "request": JobRequest("segmentation", "covid-lungs"),
        "state": "running",
        "name": "ct.nii.gz",
        "stage": "segmenting",
        "progress": 1 / 3,
        "position": None,
        "created": AT,
        "started": AT,
        "finished": None,
        "error": None,
        "warnings": ("thick slices",),
        "attempts": 1,
    }
    return Job(**(facts | changes))


def test_what_others_may_know_is_json():
    content = json.loads(json.dumps(job().public_dict(), allow_nan=False))
    assert content == {
        "id": "abc",
        "kind": "segmentation",
        "state": "running",
        "name": "ct.nii.gz",
        "model": "covid-lungs",
        "parents": [],
        "stage": "segmenting",
        "progress": 0.333,
        "position": None,
        "created": "2024-05-06T07:08:09+00:00",
        "started": "2024-05-06T07:08:09+00:00",
        "finished": None,
        "error": None,
        "warnings": ["thick slices"],
    }


@pytest.mark.parametrize(("state", "ended"), [("queued", False), ("running", False), ("failed", True)])
def test_ended(state, ended):
    assert job(state=state).has_ended is ended


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("ct.nii.gz", "ct.nii.gz"),
        ("../../etc/passwd", "passwd"),
        ("C:\\scans\\a.nrrd", "a.nrrd"),
        ("two\r\nlines\t.png", "two lines .png"),
        ('it\'s "quoted" <b>.nii', 'it\'s "quoted" <b>.nii'),
        ("\u202egpj.exe\u2066\u200f", "gpj.exe"),
        ("null\x00byte\x1b[31m", "nullbyte[31m"),
        ("lone \udce9 surrogate", "lone surrogate"),
        ("", "upload"),
        ("a/", "upload"),
        (" \n ", "upload"),
        ("Ünïcode 肺.nii.gz", "Ünïcode 肺.nii.gz"),
        ("e\u0301.png", "é.png"),
    ],
)
def test_shown_name(given, shown):
    assert shown_name(given) == shown


def test_long_names_are_cut():
    assert shown_name("x" * 10_000) == "x" * LONGEST_NAME
    assert len(shown_name("ab " * 1000)) <= LONGEST_NAME


@pytest.mark.parametrize("request_", [JobRequest("segmentation"), JobRequest("follow-up", None, ("a", "b"))])
def test_a_request_survives_its_text(request_):
    assert JobRequest.from_json(request_.to_json()) == request_


@pytest.mark.parametrize(
    ("kind", "parents", "found"),
    [
        ("diagnosis", (), "found 'diagnosis'"),
        ("scores", (), "works on 1 other jobs, found 0"),
        ("follow-up", ("a",), "works on 2 other jobs, found 1"),
        ("segmentation", ("a",), "works on 0 other jobs, found 1"),
    ],
)
def test_a_request_that_makes_no_sense_is_refused(kind, parents, found):
    with pytest.raises(InputError, match=found):
        JobRequest(kind, None, parents)
