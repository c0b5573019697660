"""Many pieces of work over an executor, a limited number at a time, in the order in which they end."""

import functools
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, CancelledError, Executor, Future, wait
from itertools import islice
from typing import TypeVar

from pneumoseg.pipeline.runtime.executors import ElasticExecutor, SerialExecutor
from pneumoseg.pipeline.runtime.hardware import usable_cores
from pneumoseg.pipeline.runtime.worker_checks import WorkerLost

Item = TypeVar("Item")
Result = TypeVar("Result")

LOOK_EVERY_S = 1.0


def result_of(future: Future[Result], name: str) -> Result:
    """The result of a finished future. Raises what the work raised; where its workers were lost, by `name`."""
    try:
        return future.result()
    except WorkerLost as error:
        raise WorkerLost(f"{name}: {error}", options=error.options) from error


def finished(
    executor: Executor, function: Callable[[Item], Result], items: Iterable[Item]
) -> Generator[tuple[Item, Future[Result]], None, None]:
    """Yields each item with the finished future of `function` of it, as they end.

    An executor whose workers come and go has as many at a time as it asks for, so that a cluster need not hold all of a
    million pieces. Where several pieces lost their workers, each is done once more by itself at the end: only one of
    them may have ended the workers of the others. Pieces that have not begun when the caller stops are cancelled.

    >>> from pneumoseg.pipeline.runtime.executors import SerialExecutor
    >>> [(item, future.result()) for item, future in finished(SerialExecutor(), abs, [-1, 2])]
    [(-1, 1), (2, 2)]
    """
    lost: list[tuple[Item, Future[Result]]] = []
    for item, future in _as_they_end(executor, function, items, functools.partial(_at_once, executor)):
        if _is_lost(future):
            lost.append((item, future))
        else:
            yield item, future
    if len(lost) == 1:  # was on each of the workers that ended
        yield lost[0]
        return
    yield from _as_they_end(executor, function, [item for item, _ in lost], lambda: 1)


def _at_once(executor: Executor) -> int:
    if isinstance(executor, ElasticExecutor):
        return executor.at_once()
    return 1 if isinstance(executor, SerialExecutor) else usable_cores()


def _as_they_end(
    executor: Executor, function: Callable[[Item], Result], items: Iterable[Item], at_once: Callable[[], int]
) -> Iterator[tuple[Item, Future[Result]]]:
    remaining = iter(items)
    pending: dict[Future[Result], Item] = {}
    try:
        while True:
            for item in islice(remaining, max(0, at_once() - len(pending))):
                pending[executor.submit(function, item)] = item
            if not pending:
                return
            done, _ = wait(pending, timeout=LOOK_EVERY_S, return_when=FIRST_COMPLETED)
            for future in [one for one in pending if one in done]:  # in the order in which they began
                yield pending.pop(future), future
    finally:
        for future in pending:
            future.cancel()


def _is_lost(future: Future) -> bool:
    try:
        return isinstance(future.exception(), WorkerLost)
    except CancelledError:
        return False
