"""Jobs from claim to end."""

import pytest

from pneumoseg.evaluation.jobs.job import JobRequest
from pneumoseg.evaluation.jobs.work import Workplace, do
from tests.evaluation.jobs.conftest import KEY, WORKER
from tests.evaluation.jobs.stub_models import by_brightness, open_models
from tests.evaluation.jobs.uploads import nifti_bytes


def test_progress_is_told(store, done):
    told = []
    original = store.report

    def report(job_id, worker, *, stage, progress):
        told.append((stage, progress))
        return original(job_id, worker, stage=stage, progress=progress)

    store.report = report
    done(nifti_bytes())
    assert list(dict.fromkeys(stage for stage, _ in told)) == ["reading", "segmenting", "measuring", "writing"]
    assert ("segmenting", 1.0) in told


@pytest.mark.parametrize(
    ("contents", "request_", "reason"),
    [
        ([b""], None, "The upload is empty; choose a file with content."),
        ([nifti_bytes()[:-1500]], None, "The NIfTI file is damaged or truncated; copy or export it again."),
        ([nifti_bytes()], JobRequest("segmentation", "pictures"), "The model pictures is for pictures, not for CTs"),
        ([nifti_bytes()], JobRequest("segmentation", "none"), "No model is called 'none'"),
        ([], JobRequest("scores", None, ("gone",)), "The job that this one builds on was deleted"),
    ],
)
def test_a_job_that_cannot_be_done_says_why(store, done, contents, request_, reason):
    job = done(*contents, request=request_)
    assert job.state == "failed"
    assert job.error.startswith(reason)
    assert "/" not in job.error
    assert store.results(job.id) == []


def test_faults_of_the_program_do_not_tell_what_they_hold(done, capsys):
    def broken(tiles):
        raise KeyError("Doe^John")

    job = done(nifti_bytes(), network=broken)
    assert job.error == "The program failed over this job (KeyError); this is a fault of the program."
    assert "Doe" not in capsys.readouterr().err


def test_a_job_that_is_cancelled_on_the_way_ends(store, done):
    asked = []

    def network(tiles):
        if not asked:
            asked.append(store.cancel(store.running()[WORKER].id))
        return by_brightness(tiles)

    assert done(nifti_bytes(), network=network).state == "cancelled"


def test_a_job_that_is_deleted_on_the_way_leaves_nothing(store, done):
    def network(tiles):
        for job in store.running().values():
            store.delete(job.id)
        return by_brightness(tiles)

    assert done(nifti_bytes(), network=network) is None
    assert list((store.folder / "jobs").iterdir()) == []


def test_an_attempt_after_a_kill_goes_on_from_what_was_taken_in(store, done, tmp_path):
    class KilledError(BaseException):
        pass

    def network(tiles):
        raise KilledError

    with pytest.raises(KilledError):
        done(nifti_bytes(), network=network)
    store.recover()
    again = store.claim("v")
    do(again, Workplace(store, "v", open_models(tmp_path / "models"), KEY))
    assert (store.get(again.id).state, store.get(again.id).attempts) == ("finished", 2)
