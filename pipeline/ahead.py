"""Work that is done while earlier work is being used."""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")


def ahead(items: Iterable[Item]) -> Iterator[Item]:
    """Yields `items` in order, making the next one in another thread while the caller is busy with this one.

    An error of the maker is raised where its item would have come.
    """
    iterator = iter(items)
    end = object()
    with ThreadPoolExecutor(max_workers=1) as thread:
        pending = thread.submit(next, iterator, end)
        while (item := pending.result()) is not end:
            pending = thread.submit(next, iterator, end)
            yield item  # type: ignore[misc]
