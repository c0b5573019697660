"""Files and folders that are whole or absent: made under a hidden name in the same folder, then renamed.

A writer locks what it makes, and the system releases the lock when the process dies. So the next writer of the same
name can distinguish leftovers of a killed process, which it removes, from what another is still writing, on this
machine or on another that shares the folder.
"""

import ctypes
import json
import os
import re
import secrets
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

PARTIAL_PREFIX = ".partial-"
LOCK_NAME = ".lock"
LEFT_AFTER_S = 86_400.0
"""Age from which a partial file counts as left behind where the file system has no locks."""
RENAME_EXCHANGE = 2
AT_FDCWD = -100


@contextmanager
def write_aside(path: str | Path) -> Iterator[Path]:
    """Yields a temporary path; on success what was written there takes the name `path`, on any failure it is removed.

    The temporary path has the same name (writers choose a format by it) in a hidden folder beside `path`, as of
    `folder_aside`. A path that is a temporary one already is yielded as it is.

    Example: `with write_aside("scores.csv") as path: path.write_text(text)`
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    nested = path.name.startswith(PARTIAL_PREFIX) or path.parent.name.startswith(PARTIAL_PREFIX)
    with nullcontext(path.parent) if nested else folder_aside(path) as folder:
        aside = folder / path.name
        yield aside
        with open(aside, "r+b") as written:
            os.fsync(written.fileno())
        if not nested:
            os.replace(aside, path)


@contextmanager
def folder_aside(path: str | Path) -> Iterator[Path]:
    """Yields a hidden folder beside `path`, to make things in and rename them from; it is removed in the end.

    It is called `.partial-NUMBER-NAME` (every reader here skips what is hidden) and holds a lock, in a file of
    its own: on some network file systems a file that is locked cannot be written. What killed processes left of such
    folders for the same path is removed. Parents of `path` that had to be made are removed again where they stay empty.
    """
    path = Path(path)
    new_parents = [parent for parent in path.parents if not parent.exists()]
    remove_leftovers(path)
    aside, handle = _new_aside(path)
    try:
        yield aside
    finally:
        os.close(handle)
        shutil.rmtree(aside, ignore_errors=True)
        with suppress(OSError):  # not empty
            for parent in new_parents:
                parent.rmdir()


def remove_leftovers(path: str | Path) -> None:
    """Removes what killed processes left beside `path` when they made it; what a living one is making stays."""
    path = Path(path)
    if not path.parent.is_dir():
        return
    left = re.compile(rf"(?:{re.escape(PARTIAL_PREFIX)}\d+-)+{re.escape(path.name)}")
    for name in os.listdir(path.parent):
        if name.startswith(PARTIAL_PREFIX) and left.fullmatch(name):
            _remove_if_left(path.with_name(name))


def remove_folder(path: str | Path) -> None:
    """Removes a folder: its name is free at once, so that no process ever finds half of it."""
    path = Path(path)
    with folder_aside(path) as aside:
        os.rename(path, aside / path.name)


def replace_folder(made: Path, path: Path) -> None:
    """The folder `made` takes the name `path`; what had that name, if anything, gets the name `made`.

    At once where the system can exchange two names. Elsewhere `path` is absent for a moment, in which a kill leaves
    its former content as `.replaced-NAME`; `restore_replaced` gives it its name back.
    """
    if not path.exists():
        os.rename(made, path)
        return
    if _exchange(made, path):
        return
    former = _replaced(path)
    os.rename(path, former)
    os.rename(made, path)
    os.rename(former, made)


def restore_replaced(path: Path) -> None:
    """Ends what a kill within `replace_folder` interrupted: `path` is what it was, or what it was to become."""
    former = _replaced(path)
    if former.is_dir() and not path.exists():
        os.rename(former, path)
    elif former.is_dir():
        shutil.rmtree(former)


def write_text(path: str | Path, text: str) -> None:
    """Writes `text` as UTF-8, whole or not at all; bytes of a file name that are not UTF-8 as \\udcXX, as JSON does."""
    with write_aside(path) as aside:
        aside.write_text(text, encoding="utf-8", errors="backslashreplace")


def write_json(path: str | Path, content: object) -> None:
    """Writes `content` as indented JSON (NaN is refused: it is not JSON), whole or not at all."""
    write_text(path, json.dumps(content, indent=2, allow_nan=False, ensure_ascii=False) + "\n")


def _new_aside(path: Path) -> tuple[Path, int]:
    """A new hidden folder beside `path`, and the open file whose lock says that it is in use."""
    while True:
        aside = path.with_name(f"{PARTIAL_PREFIX}{secrets.randbelow(10**9):09d}-{path.name}")
        path.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):  # another took it for left behind before it was locked
            aside.mkdir()
            handle = _open_lock(aside)
            _lock(handle)
            if aside.exists():
                return aside, handle
            os.close(handle)


def _open_lock(folder: Path) -> int:
    return os.open(folder / LOCK_NAME, os.O_RDWR | os.O_CREAT, 0o666)


def _remove_if_left(left: Path) -> None:
    """Removes a hidden folder that no process holds; a single file, as other writers may leave, where it is old."""
    try:
        old = time.time() - left.lstat().st_mtime > LEFT_AFTER_S
        if not left.is_dir() or left.is_symlink():
            left.unlink() if old else None
            return
        handle = _open_lock(left)
    except OSError:  # gone meanwhile, or another user's
        return
    try:
        if _lock(handle, wait=False, otherwise=old):
            shutil.rmtree(left, ignore_errors=True)
    finally:
        os.close(handle)


def _lock(handle: int, wait: bool = True, otherwise: bool = True) -> bool:
    """Whether the lock of an open file is this process's now; `otherwise` where the file system has no locks."""
    if fcntl is None:
        return otherwise
    try:
        fcntl.flock(handle, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return otherwise
    return True


def _replaced(path: Path) -> Path:
    return path.with_name(f".replaced-{path.name}")


def _exchange(one: Path, other: Path) -> bool:
    """Exchanges two names in one step; False where the system or the file system cannot."""
    if not sys.platform.startswith("linux"):
        return False
    rename = getattr(ctypes.CDLL(None), "renameat2", None)
    paths = [os.fsencode(path) for path in (one, other)]
    return rename is not None and rename(AT_FDCWD, paths[0], AT_FDCWD, paths[1], RENAME_EXCHANGE) == 0
