"""Output for the person at the terminal: log lines and progress bars, on standard error.

The terminal shows messages whole; files that leave the machine (manifests, reports, log.txt) as `public_text` writes
them.
"""

import contextlib
import logging
import logging.handlers
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

from pneumoseg.data_io.public_text import public, visible


class _Terminal(logging.Handler):
    """Prints on whatever standard error is at that moment."""

    def emit(self, record: logging.LogRecord) -> None:
        # A closed terminal does not end a training.
        with contextlib.suppress(OSError):
            print(visible(self.format(record)), file=sys.stderr)


log = logging.getLogger("pneumoseg")
"""Messages for people. Warnings are always printed; the commands also print what is going on, unless they are quiet."""

terminal = _Terminal(logging.WARNING)
"""Prints the log; its level says how much."""

recent = logging.handlers.MemoryHandler(capacity=10_000, flushLevel=logging.CRITICAL + 1)
"""Keeps messages from before there is a file to write them to."""

Listener = Callable[[str, int, int | None], None]
"""Called with the description of a piece of work, how many of its items are done, and of how many."""

_listeners: list[Listener] = []

log.setLevel(logging.INFO)
log.propagate = False
log.addHandler(terminal)
log.addHandler(recent)


def listed(names: Sequence[str], limit: int = 5) -> str:
    """The names for a sentence, or the first few and how many more there are."""
    rest = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + rest


@contextmanager
def warnings_of_this_thread(hold_back: bool = False) -> Iterator[list[str]]:
    """Yields a list that collects the warnings of this thread, as `public` gives them.

    With `hold_back` they go nowhere else: the caller reports them. Where the block raises,
    they are logged all the same.
    """
    collected: list[str] = []
    held: list[logging.LogRecord] = []
    thread = threading.get_ident()

    def collect(record: logging.LogRecord) -> bool:
        if record.thread != thread or record.levelno < logging.WARNING:
            return True
        collected.append(public(record))
        if hold_back:
            held.append(record)
        return not hold_back

    log.filters.insert(0, collect)  # what an inner one holds back, an outer one does not see
    try:
        yield collected
        held.clear()
    finally:
        log.removeFilter(collect)
        for record in held:
            log.handle(record)


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Within the block, tells `listener` of all that `track` shows in this process, in whichever thread and whether or
    not there is a terminal. What it raises ends the work."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)


def track(items: Iterable, description: str, total: int | None = None) -> Iterator:
    """Yields `items` under a progress bar named `description`; silent where the terminal shows warnings alone."""
    if _listeners:
        items = _told(items, description, total)
    if terminal.level > logging.INFO or not sys.stderr.isatty():
        yield from items
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        yield from progress.track(items, total=total, description=description)


def _told(items: Iterable, description: str, total: int | None) -> Iterator:
    _tell(description, 0, total)
    for done, item in enumerate(items, start=1):
        yield item
        _tell(description, done, total)


def _tell(description: str, done: int, total: int | None) -> None:
    for listener in tuple(_listeners):
        listener(description, done, total)
