import os
import re
import threading
from pathlib import Path

import pytest

import pneumoseg
from pneumoseg.pipeline.runtime.executors import (
    ONE_THREAD,
    SerialExecutor,
    background_threads,
    local_processes,
    reusable_processes,
)


def test_work_is_done_when_submit_returns():
    done = []
    with SerialExecutor() as executor:
        future = executor.submit(done.append, 1)
        assert done == [1]
        assert future.done()
        assert list(executor.map(abs, [-1, 2])) == [1, 2]


def test_an_exception_is_raised_by_the_future():
    with SerialExecutor() as executor, pytest.raises(ZeroDivisionError):
        executor.submit(divmod, 1, 0).result()


def test_background_threads_are_of_this_process_and_end():
    before = set(threading.enumerate())
    with background_threads() as executor:
        assert executor.submit(os.getpid).result() == os.getpid()
        assert executor.submit(threading.get_ident).result() != threading.get_ident()
    assert set(threading.enumerate()) <= before


def test_local_processes_are_others():
    with local_processes(1) as executor:
        assert executor.submit(os.getpid).result() != os.getpid()


def test_reusable_processes_stay_and_have_one_thread_each():
    first = reusable_processes(1).submit(os.getpid).result()
    assert first != os.getpid()
    assert reusable_processes(1).submit(os.getpid).result() == first
    for name in ONE_THREAD:
        assert reusable_processes(1).submit(os.getenv, name).result() == "1"


def test_pools_are_made_in_one_place():
    root = Path(pneumoseg.__file__).parent
    pools = re.compile(
        r"\b(?:ThreadPoolExecutor|ProcessPoolExecutor|get_reusable_executor|multiprocessing\.Pool)\(|import loky"
    )
    rooms = ("data_io", "pipeline", "evaluation", "scripts")
    modules = [path for room in rooms for path in (root / room).rglob("*.py")]
    assert len(modules) > 100
    makers = {str(path.relative_to(root)) for path in modules if pools.search(path.read_text(encoding="utf-8"))}
    assert makers == {"pipeline/runtime/executors.py"}
