"""Jobs, their states and their files."""

import os
import sqlite3
import stat
import threading
import time

import pytest

from pneumoseg.data_io.errors import InputError
from pneumoseg.evaluation.jobs.job import JobRequest, ResultFile
from pneumoseg.evaluation.jobs.job_rows import MOST_ATTEMPTS
from pneumoseg.evaluation.jobs.store import INPUT, RESULTS, UPLOAD, JobStore

MASK = ResultFile("mask.nii.gz", "Mask", "application/gzip", 3)


def add(store, name="ct.nii.gz", request=None):
    with store.arriving() as upload:
        (upload / "0").write_bytes(b"content of " + name.encode())
        return store.create(request or JobRequest("segmentation"), name, upload)


def made(store, job, content=b"one"):
    folder = store.folder_of(job.id) / "made"
    folder.mkdir()
    (folder / "mask.nii.gz").write_bytes(content)
    return folder


def finished(store, job, worker="w"):
    assert store.claim(worker).id == job.id
    assert store.finish(job.id, worker, made(store, job), [MASK])


def left(store):
    return [path for folder in ("jobs", "arriving") for path in (store.folder / folder).iterdir()]


def test_a_job_from_upload_to_results(store):
    job = add(store)
    assert (job.state, job.position, job.progress, job.kind, job.attempts) == ("queued", 0, 0, "segmentation", 0)
    assert store.queued_count() == 1
    assert (store.folder_of(job.id) / UPLOAD / "0").read_bytes() == b"content of ct.nii.gz"
    running = store.claim("w")
    assert (running.id, running.state, running.position, running.attempts) == (job.id, "running", None, 1)
    assert store.queued_count() == 0
    assert store.claim("other") is None
    assert store.report(job.id, "w", stage="segmenting", progress=0.25)
    assert (store.get(job.id).stage, store.get(job.id).progress) == ("segmenting", 0.25)
    assert store.results(job.id) == []
    assert store.finish(job.id, "w", made(store, job), [MASK], warnings=["thick slices"])
    ended = store.get(job.id)
    assert (ended.state, ended.stage, ended.progress, ended.warnings) == ("finished", None, 1, ("thick slices",))
    assert ended.created <= ended.started <= ended.finished
    assert store.results(job.id) == [MASK]
    assert store.result_path(job.id, "mask.nii.gz").read_bytes() == b"one"


def test_the_model_that_is_taken_is_named_once_it_is_known(store):
    job, named = add(store), add(store, request=JobRequest("segmentation", "lungs"))
    store.name_model(job.id, "w", "early")
    assert store.get(job.id).request == JobRequest("segmentation")
    store.claim("w")
    store.name_model(job.id, "other", "late")
    store.name_model(job.id, "w", 'lungs "2"')
    assert store.get(job.id).request == JobRequest("segmentation", 'lungs "2"')
    assert store.get(named.id).request.model == "lungs"
    store.recover()
    assert store.claim("v").request.model == 'lungs "2"'


def test_ids_cannot_be_guessed_and_the_folder_is_private(store):
    ids = {add(store).id for _ in range(20)}
    assert len(ids) == 20
    assert {len(one) for one in ids} == {24}
    for folder in (store.folder, store.folder / "jobs", store.folder_of(ids.pop())):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_the_oldest_is_begun_first_and_the_newest_listed_first(store):
    ids = [add(store, name).id for name in "abc"]
    assert [job.position for job in store.jobs()] == [2, 1, 0]
    assert [job.id for job in store.jobs()] == ids[::-1]
    assert [store.claim("w").id for _ in ids] == ids


def test_an_upload_that_no_job_takes_is_removed(store):
    with pytest.raises(RuntimeError), store.arriving() as upload:
        (upload / "0").write_bytes(b"half")
        raise RuntimeError
    assert left(store) == []


def test_a_full_disk_leaves_nothing(store, monkeypatch):
    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pneumoseg.evaluation.jobs.store.os.rename", lambda *_: full(None))
    with pytest.raises(OSError, match="No space"):
        add(store)
    monkeypatch.undo()
    monkeypatch.setattr(JobRequest, "to_json", lambda _: [])  # no text: SQLite refuses it
    with pytest.raises(sqlite3.Error):
        add(store)
    monkeypatch.undo()
    assert store.jobs() == []
    store.tidy()
    assert left(store) == []


def test_only_the_worker_of_a_job_changes_it(store):
    job = add(store)
    store.claim("one")
    store.recover(alive=["two"])
    assert store.claim("two").attempts == 2
    assert not store.report(job.id, "one", stage="late", progress=0.9)
    assert not store.fail(job.id, "one", "Late.")
    folder = made(store, job)
    assert not store.finish(job.id, "one", folder, [MASK])
    assert folder.exists()
    assert store.get(job.id).state == "running"
    assert store.finish(job.id, "two", folder, [MASK])
    assert not store.fail(job.id, "two", "Late.")
    assert store.get(job.id).state == "finished"


def test_a_job_that_failed_says_why(store):
    job = add(store)
    store.claim("w")
    assert store.fail(job.id, "w", "The file is empty.")
    assert (store.get(job.id).state, store.get(job.id).error) == ("failed", "The file is empty.")
    assert (store.results(job.id), left(store)) == ([], [])


def test_cancelling(store):
    waiting, running = add(store), add(store)
    assert store.cancel(waiting.id).state == "cancelled"
    store.claim("w")
    assert store.cancel(running.id).state == "running"
    assert store.to_end() == {"w": running.id}
    assert not store.report(running.id, "w", stage="segmenting", progress=0.5)
    assert not store.finish(running.id, "w", made(store, running), [MASK])
    store.recover(alive=["w"])
    assert store.get(running.id).state == "running"
    store.recover()
    assert store.get(running.id).state == "cancelled"
    assert store.get(running.id).finished is not None
    assert left(store) == []
    ended = add(store)
    finished(store, ended)
    assert store.cancel(ended.id).state == "finished"
    assert store.cancel("unknown") is None


def test_deleting(store):
    waiting = add(store, "Sylvia.nii.gz")
    assert store.delete(waiting.id)
    assert store.get(waiting.id) is None
    assert left(store) == []
    assert not store.delete(waiting.id)
    assert not any(b"Sylvia" in path.read_bytes() for path in store.folder.iterdir() if path.is_file())
    ended = add(store)
    finished(store, ended)
    assert store.delete(ended.id)
    assert (store.jobs(), store.results(ended.id), left(store)) == ([], [], [])


def test_a_running_job_that_is_deleted_is_gone_for_all_but_its_worker(store):
    job = add(store)
    store.claim("w")
    assert store.delete(job.id)
    assert (store.get(job.id), store.jobs(), store.running(), left(store)) == (None, [], {}, [])
    assert store.to_end() == {"w": job.id}
    store.folder_of(job.id).mkdir()  # the worker goes on writing until it ends
    assert not store.finish(job.id, "w", made(store, job), [MASK])
    store.recover(alive=["w"])
    assert store.to_end() == {"w": job.id}
    store.recover()
    assert (store.to_end(), left(store)) == ({}, [])


def test_a_deletion_that_was_killed_is_ended(store, monkeypatch):
    job = add(store)
    monkeypatch.setattr(JobStore, "_remove_files", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        store.delete(job.id)
    monkeypatch.undo()
    assert store.get(job.id) is None
    assert store.claim("w") is None
    assert store.queued_count() == 0
    store.recover()
    assert left(store) == []


def test_jobs_of_lost_workers_are_begun_again_in_their_place_and_at_most_three_times(store):
    first, second = add(store), add(store)
    for attempt in range(1, MOST_ATTEMPTS + 1):
        job = store.claim(f"w{attempt}")
        assert (job.id, job.attempts) == (first.id, attempt)
        store.recover()
    failed = store.get(first.id)
    assert failed.state == "failed"
    assert failed.error == "The program ended 3 times during this job; it is not tried again."
    assert store.get(second.id).position == 0


def test_an_attempt_that_was_ended_on_purpose_does_not_count(store):
    job = add(store)
    for _ in range(5):
        assert store.claim("w").attempts == 1
        store.recover(counted=False)
    assert (store.get(job.id).state, store.get(job.id).started) == ("queued", None)


def test_results_of_an_attempt_that_was_killed_while_finishing_are_replaced(store):
    job = add(store)
    store.claim("w")
    folder = made(store, job, b"first")
    os.rename(folder, store.folder_of(job.id) / RESULTS)  # and the transaction was not committed
    store.recover()
    assert store.result_path(job.id, "mask.nii.gz") is None
    store.claim("v")
    assert store.finish(job.id, "v", made(store, job, b"second"), [MASK])
    assert store.result_path(job.id, "mask.nii.gz").read_bytes() == b"second"


@pytest.mark.parametrize("name", ["../upload/0", "/etc/passwd", "mask.nii", "", ".", "mask.nii.gz/"])
def test_only_listed_results_are_given_out(store, name):
    job = add(store)
    finished(store, job)
    assert store.result_path(job.id, name) is None
    assert store.result_path(f"../jobs/{job.id}", "mask.nii.gz") is None


def test_jobs_expire(store):
    old, running, new = add(store), add(store), add(store)
    finished(store, old)
    store.claim("w")
    time.sleep(0.02)
    store.expire(60)
    assert len(store.jobs()) == 3
    store.expire(0.01)
    assert [job.id for job in store.jobs()] == [running.id]
    assert [path.name for path in left(store)] == [running.id]
    assert new.id != running.id


def test_files_that_belong_to_no_job_are_removed(store):
    job = add(store)
    (store.folder / "jobs/orphan" / INPUT).mkdir(parents=True)
    (store.folder / "arriving/half").mkdir()
    store.tidy()
    assert [path.name for path in left(store)] == [job.id]


def test_each_job_is_given_to_one_worker_alone(store):
    ids = {add(store).id for _ in range(40)}
    taken: list[str] = []

    def work(name):
        with JobStore(store.folder) as own:
            while (job := own.claim(name)) is not None:
                taken.append(job.id)

    threads = [threading.Thread(target=work, args=(f"w{number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(taken) == 40
    assert set(taken) == ids


def test_a_folder_that_cannot_be_used_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="jobs cannot be kept there"):
        JobStore(tmp_path / "file")
