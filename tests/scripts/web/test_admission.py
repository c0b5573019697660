import pytest

from pneumoseg.scripts.web.admission import Admission, too_much
from pneumoseg.scripts.web.limits import Limits
from pneumoseg.scripts.web.refusals import Refusal


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_uploads_and_jobs_that_wait_fill_the_queue():
    admission = Admission(Limits(uploads=2, queue=3))
    with admission.new_job(0):
        with admission.new_job(1), pytest.raises(Refusal, match="2 uploads are arriving"), admission.new_job(0):
            pass
        with pytest.raises(Refusal, match="2 jobs wait"), admission.new_job(2):
            pass
        with admission.new_job(1):
            pass
    with admission.new_job(2):
        pass


def test_an_upload_that_fails_counts_no_more():
    admission = Admission(Limits(uploads=1))
    for _ in range(3):
        with pytest.raises(OSError, match="broken"), admission.new_job(0):
            raise OSError("broken")


def test_the_rate_recovers():
    clock = Clock()
    admission = Admission(Limits(jobs_per_minute=2), clock)
    for _ in range(2):
        with admission.new_job(0):
            pass
    with pytest.raises(Refusal, match="2 new jobs a minute") as refused, admission.new_job(0):
        pass
    assert refused.value.headers == {"Retry-After": "30"}
    clock.now = 29.0
    with pytest.raises(Refusal, match="try again in 1 s") as refused, admission.new_job(0):
        pass
    clock.now = 30.0
    with admission.new_job(0):
        pass


def test_listeners_are_counted():
    admission = Admission(Limits(listeners=1))
    with admission.listener(), pytest.raises(Refusal, match="1 listen"), admission.listener():
        pass
    with admission.listener():
        pass


def test_the_sentence_begins_with_a_capital():
    assert str(too_much("all is full", 5)) == "All is full; try again in 5 s."
