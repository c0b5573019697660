"""Work that is done while earlier work is being used."""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Executor
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def results_ahead(
    executor: Executor, function: Callable[[Item], Result], items: Iterable[Item], *, ahead: int = 1
) -> Generator[Result, None, None]:
    """Gives `function` of each item, in order; the executor does `ahead` calls, one or more, while the caller is busy.

    An exception is raised where its result would have come. Calls that have not begun when the caller stops are
    cancelled.
    """
    remaining = iter(items)
    pending = deque(executor.submit(function, item) for item in islice(remaining, ahead))
    try:
        while pending:
            result = pending.popleft().result()
            pending.extend(executor.submit(function, item) for item in islice(remaining, 1))
            yield result
    finally:
        for future in pending:
            future.cancel()


def one_ahead(items: Iterable[Item], executor: Executor) -> Iterator[Item]:
    """Gives `items` in order, the next one made by an executor of threads while the caller is busy with this one.

    An exception of the maker is raised where its item would have come. The caller ends the executor before it closes
    what makes the items: a call may still be running.
    """
    iterator, end = iter(items), object()
    pending = executor.submit(next, iterator, end)
    while (item := pending.result()) is not end:
        pending = executor.submit(next, iterator, end)
        yield item  # type: ignore[misc]
