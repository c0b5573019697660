"""The options of a worker; its life is in test_supervisor.py."""

import subprocess
import sys
import time

from filelock import FileLock, Timeout

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


def _is_held(lock) -> bool:
    if not lock.is_file():
        return False
    try:
        with FileLock(lock, timeout=0):
            return False
    except Timeout:
        return True
