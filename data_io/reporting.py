"""What a command tells the person at the terminal: log lines and progress bars, on standard error.

The terminal shows messages whole. Files that leave the machine (manifests, reports, log.txt) get them by `public`:
paths by their last part, `Private` text withheld.
"""

import copy
import logging
import logging.handlers
import re
import sys
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

FOLDERS = re.compile(r"(?<![\w./:])(?:~|[A-Za-z]:)?[/\\](?:[^/\\\s:;,'\"()<>|]+[/\\])+")
"""The folders of an absolute path within a sentence, of a path without blanks."""


class Private(str):
    """Text that may identify a person, such as the description of a DICOM series."""


class PublicFormatter(logging.Formatter):
    """Formats messages for files that may be handed on.

    Arguments of a message that are paths become their last part, `Private` ones "(withheld)", and of absolute paths
    within its text (as in the reason of an error) the folders are left out.
    """

    def format(self, record: logging.LogRecord) -> str:
        """The message of `record`, with the time and level that the format asks for."""
        record = copy.copy(record)
        if isinstance(record.args, tuple):
            record.args = tuple(map(_public_argument, record.args))
        return FOLDERS.sub("", super().format(record))


def public(record: logging.LogRecord) -> str:
    """The message alone, as `PublicFormatter` writes it."""
    return PublicFormatter("%(message)s").format(record)


def _public_argument(value: object) -> object:
    if isinstance(value, Path):
        return value.name or "."
    return "(withheld)" if isinstance(value, Private) else value


class _Terminal(logging.Handler):
    """Prints on whatever standard error is at that moment."""

    def emit(self, record: logging.LogRecord) -> None:
        print(self.format(record), file=sys.stderr)


log = logging.getLogger("pneumoseg")
"""Messages for people. Warnings are always printed; the commands also print what is going on, unless `--quiet`."""

terminal = _Terminal(logging.WARNING)
"""Prints the log; its level says how much."""

recent = logging.handlers.MemoryHandler(capacity=10_000, flushLevel=logging.CRITICAL + 1)
"""Keeps what was said before there was a file to write it to."""

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

    With `hold_back` they go nowhere else: the caller reports them.
    """
    collected: list[str] = []
    thread = threading.get_ident()

    def collect(record: logging.LogRecord) -> bool:
        if record.thread != thread or record.levelno < logging.WARNING:
            return True
        collected.append(public(record))
        return not hold_back

    log.filters.insert(0, collect)  # what an inner one holds back, an outer one does not see
    try:
        yield collected
    finally:
        log.removeFilter(collect)


def track(items: Iterable, description: str, total: int | None = None) -> Iterator:
    """Yields `items` under a progress bar named `description`; silent where the terminal shows warnings alone."""
    if terminal.level > logging.INFO or not sys.stderr.isatty():
        yield from items
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        yield from progress.track(items, total=total, description=description)
