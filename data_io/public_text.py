"""Messages for files that leave the machine (manifests, reports, log.txt): paths by their last part, `Private` text
withheld."""

import copy
import itertools
import logging
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
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
"""Where `atomic.write_aside` keeps an unfinished file: in a hidden folder of the file's name."""


class Private(str):
    """Text that may identify a person, such as the description of a DICOM series."""


@dataclass(frozen=True)
class AboutFiles:
    """Text that names `paths`, or files beside or below them, as the reason of an error does."""

    text: str
    paths: Sequence[Path]

    def __str__(self) -> str:
        return self.text

    @property
    def without_folders(self) -> str:
        """The text with the last parts of the paths alone."""
        folders = {f"{folder}/" for path in self.paths for folder in (path, *path.parents) if folder.name}
        longest_first = "|".join(map(re.escape, sorted(folders, key=len, reverse=True)))
        return re.sub(rf"(?<![\w./-])(?:{longest_first})", "", self.text) if folders else self.text


class PublicFormatter(logging.Formatter):
    """Formats messages for files that leave the machine.

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
    """The text with the final names of files in place of the hidden ones that they have while they are written."""
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
