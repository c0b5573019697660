"""Executors: where independent pieces of work are done. Functions that spread work take one as an argument.

All pools of threads and processes are made here, but for the workers of a cluster (`dask_cluster`). What is handed to
processes must be importable and picklable.
"""

import os
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from pneumoseg.pipeline.runtime.processes import end_with_parent

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

ONE_THREAD = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}
"""Environment of processes that share the cores with each other and with a network."""
IDLE_TIMEOUT_S = 60


class SerialExecutor(Executor):
    """Does each piece of work at once, in the calling thread; `submit` returns when it is done."""

    def submit(
        self, function: Callable[Arguments, Result], /, *arguments: Arguments.args, **options: Arguments.kwargs
    ) -> Future[Result]:
        """A future that holds the function's result, or the exception that it raised."""
        future: Future[Result] = Future()
        try:
            future.set_result(function(*arguments, **options))
        except Exception as error:  # noqa: BLE001  (raised again by future.result)
            future.set_exception(error)
        return future


class ElasticExecutor(Executor):
    """An executor whose workers come and go."""

    def at_once(self) -> int:
        """How many pieces of work it should have at a time, now."""
        raise NotImplementedError


def background_threads(count: int = 1) -> Executor:
    """Threads of this process, for a with statement, which waits for their work to end."""
    return ThreadPoolExecutor(max_workers=count)


# loky starts processes afresh (no fork of a process that runs TensorFlow) without importing the user's script again, so
# that no script needs a main guard.


def local_processes(count: int) -> Executor:
    """New processes, each free to use all cores, for a with statement, at whose end they end."""
    from loky import ProcessPoolExecutor

    return ProcessPoolExecutor(count, initializer=end_with_parent, initargs=(os.getpid(),))


def reusable_processes(count: int) -> Executor:
    """Processes of one thread each. Later calls with the same `count` give the same ones, so that they start once; new
    ones where one of them was killed. They end after a minute without work, or with this process."""
    from loky import get_reusable_executor

    return get_reusable_executor(
        max_workers=count, timeout=IDLE_TIMEOUT_S, env=ONE_THREAD, initializer=end_with_parent, initargs=(os.getpid(),)
    )
