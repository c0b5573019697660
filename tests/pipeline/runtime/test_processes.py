"""Processes that may not start others, or compute: daemons, systems without semaphores, forks."""

import multiprocessing
import os

import pytest

from pneumoseg.data_io.errors import InputError
from pneumoseg.pipeline.runtime import processes
from pneumoseg.pipeline.runtime.processes import begin_to_compute, may_start_processes


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
