"""Calls that make jobs of others: scores and follow-ups."""

import pytest

from tests.scripts.web.served import API, CT, RAW, serving


def scores(served, job_id: str, content: bytes = CT, **options):
    options = {"headers": {"Content-Type": RAW}, "params": {"filename": "truth.nii.gz"}} | options
    return served.client.post(f"{API}/jobs/{job_id}/scores", content=content, **options)


def follow_up(served, **body):
    return served.client.post(f"{API}/follow-ups", json=body)


def test_a_new_job_says_where_it_is(served):
    answer = served.client.post(f"{API}/jobs", content=CT, headers={"Content-Type": RAW})
    assert answer.status_code == 202
    assert answer.headers["location"] == answer.json()["urls"]["self"]
    assert served.client.get(answer.headers["location"]).json()["name"] == "upload"


def test_a_mask_is_scored_against_a_reference(served):
    parent = served.finished()
    answer = scores(served, parent["id"])
    assert answer.status_code == 202
    job = served.ended(answer.json())
    assert (job["kind"], job["name"], job["parents"]) == ("scores", parent["name"], [parent["id"]])
    assert scores(served, job["id"]).status_code == 409
    assert scores(served, "none").status_code == 404
    assert scores(served, parent["id"], b"no mask").status_code == 415
    assert scores(served, parent["id"], b"").status_code == 422


def test_two_jobs_are_compared(served):
    one, two = served.finished(name="may.nii"), served.finished(name="june.nii")
    answer = follow_up(served, baseline=one["id"], follow_up=two["id"])
    assert answer.status_code == 202
    job = served.ended(answer.json())
    assert (job["kind"], job["name"]) == ("follow-up", "may.nii to june.nii")
    assert job["parents"] == [one["id"], two["id"]]
    assert follow_up(served, baseline=job["id"], follow_up=two["id"]).status_code == 409
    assert follow_up(served, baseline=one["id"], follow_up="none").status_code == 404
    assert follow_up(served, baseline=one["id"], follow_up=one["id"]).status_code == 422


def test_pictures_are_not_compared(served, monkeypatch):
    one, two = served.finished(), served.finished()
    monkeypatch.setattr(served.store, "results", lambda number: [])
    answer = follow_up(served, baseline=one["id"], follow_up=two["id"])
    assert (answer.status_code, answer.json()["error"][-13:]) == (409, "of a picture.")


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"{}", "application/json", 400),
        (b"", "application/json", 400),
        (b"[" * 50_000, "application/json", 400),
        (b'{"baseline": "\\ud800", "follow_up": "b"}', "application/json", 400),
        (b'{"baseline": 1, "follow_up": "b"}', "application/json", 400),
        (b'{"baseline": "a", "follow_up": "b", "x": 1}', "application/json", 400),
        (b'{"baseline": "\xff", "follow_up": "b"}', "application/json", 400),
        (b'{"baseline": "a", "follow_up": "b"}', "text/plain", 415),
        (b'{"baseline": "a", "follow_up": "b"}', "", 415),
        (b'{"baseline": "a", "follow_up": "' + b"b" * 70_000 + b'"}', "application/json", 413),
    ],
)
def test_other_bodies_are_refused(served, body, kind, status):
    answer = served.client.post(f"{API}/follow-ups", content=body, headers={"Content-Type": kind})
    assert answer.status_code == status
    assert list(answer.json()) == ["error"]


def test_jobs_that_have_not_ended_have_no_mask_yet(tmp_path):
    with serving(tmp_path) as served:
        held = served.upload(name="hold")
        assert scores(served, held["id"]).status_code == 409
        answer = follow_up(served, baseline=held["id"], follow_up="none")
        assert answer.status_code == 409
        served.workers.released.set()
