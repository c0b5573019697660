"""What a command tells the person at the terminal: log lines and progress bars, on standard error.

The terminal shows messages whole. Files that leave the machine (manifests, reports, log.txt) get them by `public`:
paths by their last part, `Private` text withheld.
"""

import contextlib
import copy
import itertools
import logging
import logging.handlers
import os
import re
import sys
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

PATH_START = re.compile(r"(?<![\w./])(?:file://)?(?:~|\b[A-Za-z]:)?[/\\](?![/\\])")
"""Where an absolute path begins within a sentence; not within a URL of another kind."""

MOST_FOLDERS = 40
"""So many slashes after the start of a path are looked at."""

FOLDERS = re.compile(r"(?:[^/\\\s:;,'\"()<>|]+[/\\])*")
"""Folders of a path, as far as none has a blank in its name."""

SLASH = re.compile(r"[/\\]")
HIDDEN_PLACE = re.compile(r"\.partial-\d+-([^/\\]+)[/\\](?=\1)")
HIDDEN_NAME = re.compile(r"(?:\.partial-\d+-)+")
"""Where `atomic.write_aside` has a file that is not whole yet: in a hidden folder of the file's name."""


class Private(str):
    """Text that may identify a person, such as the description of a DICOM series."""


class AboutFiles(str):
    """Text that names `paths`, or files beside or below them, as the reason of an error does."""

    paths: Sequence[Path]

    def __new__(cls, text: str, paths: Iterable[Path]) -> "AboutFiles":
        """The text with its paths."""
        self = super().__new__(cls, text)
        self.paths = tuple(paths)
        return self

    @property
    def without_folders(self) -> str:
        """The text with the last parts of the paths alone."""
        folders = {f"{folder}/" for path in self.paths for folder in (path, *path.parents) if folder.name}
        longest_first = "|".join(map(re.escape, sorted(folders, key=len, reverse=True)))
        return re.sub(rf"(?<![\w./-])(?:{longest_first})", "", str(self)) if folders else str(self)


class PublicFormatter(logging.Formatter):
    """Formats messages for files that may be handed on.

    Arguments of a message that are paths become their last part, `Private` ones "(withheld)", `AboutFiles` lose the
    folders of their paths; and of absolute paths within its text (as in the reason of an error) the folders are left
    out: those that exist here, whatever their names, and what looks like folders.
    """

    def format(self, record: logging.LogRecord) -> str:
        """The message of `record`, with the time and level that the format asks for."""
        record = copy.copy(record)
        if isinstance(record.args, tuple):
            record.args = tuple(map(_public_argument, record.args))
        return _without_folders(visible(super().format(record)))


def public(record: logging.LogRecord) -> str:
    """The message alone, as `PublicFormatter` writes it."""
    return PublicFormatter("%(message)s").format(record)


def visible(text: str) -> str:
    """The text with the final names of files in place of the hidden ones that they have until they are whole."""
    return HIDDEN_NAME.sub("", HIDDEN_PLACE.sub("", text))


def _public_argument(value: object) -> object:
    if isinstance(value, Path):
        return value.name or "."
    if isinstance(value, AboutFiles):
        return value.without_folders
    return "(withheld)" if isinstance(value, Private) else value


def _without_folders(text: str) -> str:
    kept, done = "", 0
    while start := PATH_START.search(text, done):
        first = start.end()
        slashes = [place.start() for place in itertools.islice(SLASH.finditer(text, first), MOST_FOLDERS)]
        existing = (place for place in reversed(slashes) if os.path.isdir(text[start.start() : place]))
        folders = FOLDERS.match(text, max([first, *(place + 1 for place in itertools.islice(existing, 1))]))
        end = folders.end() if folders else first
        # A lone slash, as in "1 / 2", is no folder.
        kept += text[done : start.start()] + (text[start.start() : first] if end == first else "")
        done = end
    return kept + text[done:]


class _Terminal(logging.Handler):
    """Prints on whatever standard error is at that moment."""

    def emit(self, record: logging.LogRecord) -> None:
        # A terminal that is gone is no reason to end a training.
        with contextlib.suppress(OSError):
            print(visible(self.format(record)), file=sys.stderr)


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
