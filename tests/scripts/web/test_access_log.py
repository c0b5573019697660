"""The access log names no one."""

import re

import pytest

from pneumoseg.scripts.web import access_log
from tests.scripts.web.served import API


@pytest.fixture
def lines(monkeypatch):
    """What is logged, in order."""
    written: list[str] = []
    monkeypatch.setattr(access_log.access, "info", lambda text, *values: written.append(text % values))
    return written


def test_method_template_status_and_time(served, lines):
    job = served.finished(name="Doe John.nii.gz")
    served.client.get("/")
    served.client.get("/none/of/these?name=Doe")
    served.client.get(f"{job['urls']['results']}/mask.nii.gz")
    served.client.request("SECRET", f"{API}/jobs")
    served.client.get(f"{API}/jobs", headers={"Host": "evil.example"})
    shown = [re.sub(r" [0-9]+ ms$", "", line) for line in lines]
    polls = "GET /api/v1/jobs/{job_id} 200"
    assert polls in shown
    assert sorted(line for line in shown if line != polls) == [  # a line follows its answer: the next may overtake it
        "? /api/v1/jobs 405",
        "GET / 200",
        "GET /api/v1/jobs/{job_id}/results/{name} 200",
        "GET ? 403",
        "GET ? 404",
        "POST /api/v1/jobs 202",
    ]
    assert not any(word in line for line in lines for word in ("Doe", job["id"], "127.0.0.1", "mask"))
