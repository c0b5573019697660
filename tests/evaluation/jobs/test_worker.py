"""The options of a worker; its life is in test_supervisor.py."""

import subprocess
import sys
import time
from pathlib import Path

from filelock import FileLock, Timeout

import pneumoseg
from pneumoseg.evaluation.jobs.job import JobRequest
from pneumoseg.evaluation.jobs.models import known_models
from pneumoseg.evaluation.jobs.store import JobStore
from pneumoseg.evaluation.jobs.supervisor import Supervisor
from pneumoseg.evaluation.jobs.worker import WorkerOptions, lock_of
from tests.evaluation.jobs.stub_models import entry
from tests.evaluation.jobs.stub_server import STUB


def test_options_survive_their_text(tmp_path):
    options = WorkerOptions("folder", "name", 7, (entry(tmp_path, "a", "ct"),), keep_identity=True, threads=2)
    assert WorkerOptions.from_json(options.to_json()) == options


def test_a_worker_holds_its_lock_and_ends_with_its_parent(tmp_path):
    options = WorkerOptions(f"{tmp_path}", "name", 0)
    start = (
        "import os, subprocess, sys, json, time\n"
        "options = json.loads(sys.argv[1]) | {'parent': os.getpid()}\n"
        f"worker = subprocess.Popen([*{STUB!r}, json.dumps(options)])\n"
        "print(worker.pid, flush=True)\n"
        "time.sleep(1000)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", start, options.to_json()], stdout=subprocess.PIPE)
    lock = tmp_path / "workers" / "name.lock"
    deadline = time.monotonic() + 90
    while not _is_held(lock):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    parent.kill()
    parent.communicate()
    with lock_of(tmp_path, "name").acquire(timeout=60):
        pass


def test_the_real_worker_does_jobs_with_a_bundled_model(tmp_path):
    demo = (Path(pneumoseg.__file__).parent / "data/pictures/demo.png").read_bytes()
    with JobStore(tmp_path / "server") as store:
        jobs = []
        for content in (demo, b"no picture", demo):
            with store.arriving() as upload:
                (upload / "0").write_bytes(content)
                jobs.append(store.create(JobRequest("segmentation"), "demo.png", upload))
        supervisor = Supervisor(store.folder, models=[known_models()["covid-picture"]], threads=1)
        supervisor.start()
        deadline = time.monotonic() + 600
        while not all(store.get(job.id).has_ended for job in jobs):
            assert time.monotonic() < deadline
            time.sleep(0.2)
        supervisor.stop()
        ended = [store.get(job.id) for job in jobs]
        assert [job.state for job in ended] == ["finished", "failed", "finished"], [job.error for job in ended]
        masks = [store.result_path(job.id, "mask.png").read_bytes() for job in (jobs[0], jobs[2])]
        assert masks[0] == masks[1]
        took_s = [(job.finished - job.started).total_seconds() for job in ended]
        assert took_s[2] < took_s[0]  # the model stayed open


def _is_held(lock) -> bool:
    if not lock.is_file():
        return False
    try:
        with FileLock(lock, timeout=0):
            return False
    except Timeout:
        return True
