"""The description of the API holds: whatever is asked, no answer is undocumented and none is the server's fault."""

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.scripts.web.served import API, serving

CHECKS = (
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
)


@pytest.fixture(scope="module")
def job(served) -> dict:
    """A finished job."""
    return served.finished()


@pytest.fixture(scope="module")
def description(served):
    address = f"http://127.0.0.1:{served.port}"
    loaded = schemathesis.openapi.from_url(f"{address}{API}/openapi.json")
    loaded.config.update(base_url=address)
    return loaded


def test_answers_are_documented(served, job, description):
    asked = []
    for found in description.get_all_operations():
        operation = found.ok()

        @settings(
            max_examples=8, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True, database=None
        )
        @given(operation.as_strategy())
        def ask(case) -> None:
            case.call_and_validate(checks=CHECKS)
            if "job_id" in case.path_parameters and case.method != "DELETE":
                case.path_parameters["job_id"] = job["id"]
                case.call_and_validate(checks=CHECKS)

        ask()
        asked.append(operation.label)
    assert len(asked) == 12


def test_every_call_of_the_design_is_described(served):
    answer = served.client.get(f"{API}/openapi.json")
    paths = answer.json()["paths"]
    assert {path.removeprefix(API): set(methods) for path, methods in paths.items()} == {
        "/jobs": {"get", "post"},
        "/jobs/{job_id}": {"get", "delete"},
        "/jobs/{job_id}/events": {"get"},
        "/jobs/{job_id}/cancel": {"post"},
        "/jobs/{job_id}/results": {"get"},
        "/jobs/{job_id}/results/{name}": {"get"},
        "/jobs/{job_id}/scores": {"post"},
        "/follow-ups": {"post"},
        "/models": {"get"},
        "/health": {"get"},
    }
    assert "security" not in answer.json()
    assert "ValidationError" not in answer.text.replace("HTTPValidationError", "ValidationError")
    for methods in paths.values():
        for call in methods.values():
            assert call["description"]
            assert {"400", "401", "403", "500", "503"} <= set(call["responses"])


def test_there_are_no_pages_of_the_framework(served):
    for path in ("/docs", "/redoc", "/openapi.json", f"{API}/docs"):
        assert served.client.get(path).status_code == 404


def test_a_restart_finds_the_jobs_again(tmp_path):
    with serving(tmp_path) as served:
        job = served.finished()
    with serving(tmp_path) as served:
        assert served.client.get(f"{API}/jobs").json() == [job]
        assert served.client.get(f"{job['urls']['results']}/mask.nii.gz").status_code == 200
