from datetime import UTC, datetime

from pneumoseg.evaluation.jobs.job import Job, JobRequest, ResultFile
from pneumoseg.scripts.web.schemas import ALWAYS, answers, job_answer, result_answer

TIME = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
JOB = Job(
    id="a-b_c",
    request=JobRequest("scores", parents=("p",)),
    state="failed",
    name="ct",
    stage=None,
    progress=0.25,
    position=None,
    created=TIME,
    started=TIME,
    finished=None,
    error="No.",
    warnings=("Thick.",),
    attempts=1,
)


def test_a_job_says_all_but_how_often_it_was_tried():
    answer = job_answer(JOB).model_dump(mode="json")
    assert answer["created"] == "2026-01-02T03:04:05Z"
    assert answer["urls"]["events"] == "/api/v1/jobs/a-b_c/events"
    assert set(answer) == {*JOB.public_dict(), "urls"}
    assert "attempts" not in answer


def test_a_result_has_its_address():
    answer = result_answer(JOB, ResultFile("mask.nii.gz", "Mask", "application/gzip", 5))
    assert answer.url == "/api/v1/jobs/a-b_c/results/mask.nii.gz"


def test_each_call_may_refuse():
    assert tuple(answers()) == ALWAYS
    assert list(answers(429, 404)) == [400, 401, 403, 404, 429, 500, 503]
    assert "Retry-After" in answers(429)[429]["headers"]
