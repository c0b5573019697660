"""Workers are watched, and whatever is killed, each job ends once."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pneumoseg.data_io.errors import InputError
from pneumoseg.evaluation.jobs import supervisor
from pneumoseg.evaluation.jobs.job import JobRequest
from pneumoseg.evaluation.jobs.supervisor import Limits, Supervisor
from tests.evaluation.jobs.stub_server import STUB

LONG_S = 90.0
SERVER = Path(__file__).with_name("stub_server.py")


@pytest.fixture
def supervise(store):
    started = []

    def start(**how):
        started.append(Supervisor(store.folder, command=STUB, **how))
        started[-1].start()
        return started[-1]

    yield start
    for one in started:
        one.stop()


def add(store, order, name="ct"):
    with store.arriving() as upload:
        (upload / "0").write_text(order)
        return store.create(JobRequest("segmentation"), name, upload)


def wait_for(condition):
    until = time.monotonic() + LONG_S
    while not (found := condition()):
        assert time.monotonic() < until, "took too long"
        time.sleep(0.05)
    return found


def ended(store, job):
    return wait_for(lambda: (one := store.get(job.id)) and one.has_ended and one)


def running(store, job):
    return wait_for(lambda: (one := store.get(job.id)).stage == "sleeping" and one)


def began(store, job):
    return (store.folder_of(job.id) / "began").read_text().split()


def worker_of(one):
    return one._slots[0].process


def test_jobs_are_done_in_order_by_one_worker(store, supervise):
    jobs = [add(store, "sleep", f"ct {number}") for number in range(5)]
    one = supervise()
    assert one.has_worker
    for job in jobs:
        assert ended(store, job).state == "finished"
        assert store.result_path(job.id, "mask.nii.gz").read_text() == job.name
    assert len({began(store, job)[0] for job in jobs}) == 1


def test_a_worker_that_is_killed_has_its_job_done_again_once(store, supervise):
    job, next_one = add(store, "sleep 2"), add(store, "sleep")
    one = supervise()
    running(store, job)
    worker_of(one).send_signal(signal.SIGKILL)
    assert ended(store, job).state == "finished"
    assert ended(store, next_one).state == "finished"
    assert (store.get(job.id).attempts, len(began(store, job))) == (2, 2)


def test_a_job_that_ends_its_worker_each_time_fails(store, supervise):
    job, good = add(store, "die"), add(store, "sleep")
    supervise()
    failed = ended(store, job)
    assert (failed.state, failed.attempts) == ("failed", 3)
    assert ended(store, good).state == "finished"


def test_a_server_that_is_killed_has_its_job_done_once(store):
    job, waiting = add(store, "sleep 3"), add(store, "sleep")
    command = [sys.executable, f"{SERVER}", f"{store.folder}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as first:
        running(store, job)
        first.kill()
    (name,) = store.running()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as second:
        assert second.stdout.readline() == "started\n"
        assert store.running().get(name) is None
        assert ended(store, job).state == "finished"
        assert ended(store, waiting).state == "finished"
        second.kill()
    assert len(began(store, job)) == 2
    assert len(began(store, waiting)) == 1
    wait_for(lambda: not _processes_of(store.folder))


def _processes_of(folder):
    """The workers of a folder that are still there."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            command = (place / "cmdline").read_bytes()
        except OSError:
            continue
        if os.fsencode(folder) in command and b"stub_worker" in command:
            found.append(place.name)
    return found


def test_cancelling_leaves_the_worker_that_listens(store, supervise):
    one = supervise()
    job = add(store, "sleep 60")
    running(store, job)
    process = worker_of(one).pid
    store.cancel(job.id)
    assert ended(store, job).state == "cancelled"
    assert worker_of(one).pid == process


def test_cancelling_and_deleting_end_a_worker_that_does_not_listen(store, supervise, monkeypatch):
    monkeypatch.setattr(supervisor, "GRACE_S", 0.3)
    supervise()
    job, other = add(store, "deaf 60"), add(store, "deaf 60")
    running(store, job)
    store.cancel(job.id)
    assert ended(store, job).state == "cancelled"
    running(store, other)
    store.delete(other.id)
    assert store.get(other.id) is None
    wait_for(lambda: not store.to_end())
    assert not store.folder_of(other.id).exists()
    assert ended(store, add(store, "sleep")).state == "finished"


def test_jobs_that_take_too_long_or_too_much_fail_and_the_next_goes_on(store, supervise):
    supervise(limits=Limits(job_s=10.0, memory_bytes=250 << 20))
    long, large = add(store, "deaf 60"), add(store, "hoard 60")
    assert ended(store, long).error == "The job took longer than 10 seconds, the limit of this server."
    assert ended(store, large).error == "The job took more than 0.3 GB of memory, the limit of this server."
    assert ended(store, add(store, "sleep")).state == "finished"
    assert ended(store, add(store, "fail")).error == "Bad."


def test_stopping_gives_the_job_back(store, supervise):
    job = add(store, "sleep 60")
    one = supervise()
    running(store, job)
    one.stop()
    assert not one.has_worker
    waiting = store.get(job.id)
    assert (waiting.state, waiting.attempts) == ("queued", 0)


def test_a_folder_has_one_server(store, supervise):
    one = supervise()
    with pytest.raises(InputError, match="another server uses this folder"):
        Supervisor(store.folder, command=STUB).start()
    one.stop()
    supervise()


def test_old_jobs_are_deleted(store, supervise, monkeypatch):
    monkeypatch.setattr(supervisor, "EXPIRE_EVERY_S", 0.1)
    job = add(store, "sleep")
    supervise(limits=Limits(keep_s=0.5))
    wait_for(lambda: not store.folder_of(job.id).exists())  # its files go after its row, so that nobody reads half
    assert store.get(job.id) is None
