"""Work that is done while earlier work is being used."""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

Item = TypeVar("Item")


@contextmanager
def ahead(items: Iterable[Item]) -> Iterator[Iterator[Item]]:
    """Gives `items` in order, the next one made in another thread while the caller is busy with this one.

    An error of the maker is raised where its item would have come. The thread ends with the context: a plain
    generator, left half-used, would end it whenever and wherever it is collected, be it in that very thread.
    """
    with ThreadPoolExecutor(max_workers=1) as thread:
        yield _taken(iter(items), thread)


def _taken(iterator: Iterator[Item], thread: ThreadPoolExecutor) -> Iterator[Item]:
    end = object()
    pending = thread.submit(next, iterator, end)
    while (item := pending.result()) is not end:
        pending = thread.submit(next, iterator, end)
        yield item  # type: ignore[misc]
