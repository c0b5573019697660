"""What the process that reads uploads says of them; through HTTP in tests/scripts/web/test_hostile_uploads.py."""

import os
import subprocess
import sys

import pytest

from pneumoseg.data_io.errors import InputError
from pneumoseg.evaluation.jobs import intake, work
from pneumoseg.evaluation.jobs.arrival import Answer, order, receive
from pneumoseg.evaluation.jobs.content import ACCEPTED
from pneumoseg.evaluation.jobs.intake import TakenIn
from pneumoseg.evaluation.jobs.job import JobRequest
from pneumoseg.evaluation.jobs.worker import KEY, WorkerOptions
from tests.evaluation.jobs.conftest import KEY as SECRET
from tests.evaluation.jobs.uploads import nifti_bytes

REQUEST = JobRequest("segmentation")


@pytest.fixture
def answered(store):
    """A function from the content of an upload to the answer, and the names of what lies there then."""

    def send(content: bytes, request=REQUEST):
        with store.arriving() as upload:
            (upload / "0").write_bytes(content)
            answer = receive(request, upload, store, SECRET)
            return answer, sorted(path.name for path in upload.parent.iterdir())

    return send


def test_a_ct_is_taken_in(answered):
    assert answered(nifti_bytes()) == (Answer(), ["input"])


def test_a_job_finds_what_was_taken_in(store):
    with store.arriving() as upload:
        (upload / "0").write_bytes(nifti_bytes())
        assert receive(REQUEST, upload, store, SECRET) == Answer()
        job = store.create(REQUEST, "name", upload)
    folder = store.folder_of(job.id)
    assert [path.name for path in folder.iterdir()] == ["input"]
    assert intake.take_in(folder / "upload", folder / "input", key=SECRET).kind == "ct"


def test_other_content_is_refused(answered):
    assert answered(b"text") == (
        Answer("kind", f"The content is none of {ACCEPTED}; upload a CT or a picture."),
        ["upload"],
    )
    answer, left = answered(nifti_bytes(packed=False)[:400])
    assert answer.reason == "content"
    assert answer.sentence.startswith("The file is truncated")
    assert left == ["upload"]


def test_a_full_disk_is_no_fault_of_the_upload(answered, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(intake.os, "rename", full)
    answer, _ = answered(nifti_bytes())
    assert answer.reason == "disk"


def test_a_fault_of_the_program_is_left_to_the_job(answered, monkeypatch):
    monkeypatch.setattr(intake, "look", lambda _: 1 / 0)
    assert answered(nifti_bytes()) == (Answer(), ["upload"])


def test_a_reference_needs_its_parent(answered):
    answer, left = answered(nifti_bytes(), JobRequest("scores", parents=("none",)))
    assert answer.reason == "content"
    assert "was deleted" in answer.sentence
    assert left == ["upload"]


def test_a_parent_that_is_deleted_meanwhile_is_said(answered, monkeypatch, tmp_path):
    deleted = []

    def found(store, number):
        if deleted:
            raise InputError(work.NO_PARENT)
        deleted.append(number)
        return work.Parent(tmp_path / "gone", tmp_path / "ct.nii.gz", TakenIn("ct", "ct.nii.gz", is_dicom=False), None)

    monkeypatch.setattr(work, "parent_of", found)
    answer, left = answered(nifti_bytes(), JobRequest("scores", parents=("one",)))
    assert "was deleted" in answer.sentence
    assert left == ["upload"]


def test_the_process_answers_line_by_line_and_ends_with_its_input(store):
    options = WorkerOptions(f"{store.folder}", "arrival", os.getpid())
    with store.arriving() as upload:
        (upload / "0").write_bytes(b"text")
        done = subprocess.run(
            [sys.executable, "-m", "pneumoseg.evaluation.jobs.arrival", options.to_json()],
            input=2 * order(REQUEST, upload),
            stdout=subprocess.PIPE,
            check=True,
        )
    ready, *answers = done.stdout.splitlines()
    assert ready == b""
    first, second = map(Answer.from_json, answers)
    assert first == second
    assert first.reason == "kind"
    assert (store.folder / KEY).is_file()
