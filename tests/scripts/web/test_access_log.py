"""The access log names no one."""

import re

import pytest

from pneumoseg.scripts.benchmark.slurm_node import wait_until
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
    polls = "GET /api/v1/jobs/{job_id} 200"
    others = [
        "? /api/v1/jobs 405",
        "GET / 200",
        "GET /api/v1/jobs/{job_id}/results/{name} 200",
        "GET ? 403",
        "GET ? 404",
        "POST /api/v1/jobs 202",
    ]

    def shown() -> list[str]:
        return sorted(re.sub(r" [0-9]+ ms$", "", line) for line in lines)

    wait_until(lambda: len([line for line in shown() if line != polls]) == len(others))  # a line follows its answer
    assert [line for line in shown() if line != polls] == others
    assert polls in shown()
    assert not any(word in line for line in lines for word in ("Doe", job["id"], "127.0.0.1", "mask"))
