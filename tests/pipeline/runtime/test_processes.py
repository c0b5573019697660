"""Processes that may not start others, or compute: daemons, no semaphores, forks; and orphans, which end."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import pneumoseg
from pneumoseg.data_io.errors import InputError
from pneumoseg.pipeline.runtime import processes
from pneumoseg.pipeline.runtime.processes import begin_to_compute, may_start_processes

POOL = """
import os, sys, time
from pneumoseg.pipeline.runtime.executors import {maker}
pool = {maker}(2)
print(*sorted(set(pool.map(lambda _: (time.sleep(0.5), os.getpid())[1], range(2)))), flush=True)
pool.submit(time.sleep, 60) if sys.argv[1] == "busy" else None
time.sleep(60)
"""


@pytest.fixture
def anew():
    """As in a process that has done nothing yet."""
    for fact in (may_start_processes, processes._computing_process):
        fact.cache_clear()
    yield
    for fact in (may_start_processes, processes._computing_process):
        fact.cache_clear()


def test_usually_processes_may_be_started(anew, capsys):
    assert may_start_processes()
    assert capsys.readouterr().err == ""


def test_a_worker_of_a_pool_starts_none():
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(may_start_processes) is False


def test_without_semaphores_none_are_started_and_that_is_said_once(anew, monkeypatch, capsys):
    def no_lock():
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(multiprocessing, "Lock", no_lock)
    assert not may_start_processes()
    assert not may_start_processes()
    assert capsys.readouterr().err.count("Read-only file system") == 1


def test_a_fork_of_a_process_that_computes_is_refused_instead_of_waiting_forever(anew, monkeypatch):
    begin_to_compute()
    begin_to_compute()
    monkeypatch.setattr(os, "getpid", lambda: -1)  # as in a fork, which has its parent's memory
    with pytest.raises(InputError, match=r"forked.*spawn"):
        begin_to_compute()
    with pytest.raises(InputError, match="forked"):
        begin_to_compute()


def test_a_fork_of_a_process_that_has_not_computed_may_compute(anew, monkeypatch):
    monkeypatch.setattr(os, "getpid", lambda: -1)
    begin_to_compute()


def alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are looked up in /proc")
@pytest.mark.parametrize(("maker", "state"), [("local_processes", "busy"), ("reusable_processes", "idle")])
def test_workers_end_soon_after_their_parent_is_killed(maker, state):
    code = POOL.format(maker=maker)
    parent = subprocess.Popen(
        [sys.executable, "-c", code, state], stdout=subprocess.PIPE, text=True, cwd=Path(pneumoseg.__file__).parent
    )
    with parent:
        workers = [int(number) for number in parent.stdout.readline().split()]
        assert workers and all(map(alive, workers)) and os.getpid() not in workers
        parent.send_signal(signal.SIGKILL)
    until = time.monotonic() + 5
    while any(map(alive, workers)) and time.monotonic() < until:
        time.sleep(0.1)
    assert not any(map(alive, workers))
