"""Files that are whole or absent: write aside in the same folder, then rename."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PARTIAL_PREFIX = ".partial-"


@contextmanager
def write_aside(path: str | Path) -> Iterator[Path]:
    """Yields a temporary path beside `path`; on success it takes that name, on any failure it is removed.

    The temporary name keeps the suffix (writers choose a format by it), starts with `.partial-` (every reader here
    passes over hidden files) and bears the process id, so that two writers do not meet.

    Example: `with write_aside("scores.csv") as path: table.to_csv(path)`
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f"{PARTIAL_PREFIX}{os.getpid()}-{path.name}")
    try:
        yield aside
        with open(aside, "rb") as written:
            os.fsync(written.fileno())
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)


def write_text(path: str | Path, text: str) -> None:
    """Writes `text` as UTF-8, whole or not at all; bytes of a file name that are not UTF-8 as \\udcXX, as JSON does."""
    with write_aside(path) as aside:
        aside.write_text(text, encoding="utf-8", errors="backslashreplace")


def write_json(path: str | Path, content: object) -> None:
    """Writes `content` as indented JSON (NaN is refused: it is not JSON), whole or not at all."""
    write_text(path, json.dumps(content, indent=2, allow_nan=False, ensure_ascii=False) + "\n")
