"""The files of a folder tree or a zip archive, one after the other; none is unpacked to the disk under its name."""

import os
import zipfile
from contextlib import ExitStack
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import BinaryIO

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.storage.zip_files import DAMAGE

IN_MEMORY_BYTES = 64 * 2**20
BLOCK_BYTES = 1 << 20
ENCRYPTED = 0x1


class UnreadableError(Exception):
    """A file that cannot be read, or a damaged or encrypted entry of an archive."""


@dataclass(frozen=True)
class Source:
    """One file: `path`, or the entry number `entry` of the archive `path`. `inner`: its path below the input."""

    path: Path
    inner: str
    entry: int | None = None

    @property
    def folder(self) -> str:
        """The folder below the input that holds the file, "" for the input itself."""
        return self.inner.rpartition("/")[0]

    @property
    def name(self) -> str:
        """The last part of its path."""
        return self.inner.rpartition("/")[2]

    def opened(self) -> BinaryIO:
        """The file, seekable, to be closed by the caller. Raises UnreadableError where it cannot be read."""
        try:
            return open(self.path, "rb") if self.entry is None else _unpacked(self.path, self.entry)
        except (*DAMAGE, OSError) as error:
            raise UnreadableError from error


def sources_of(path: Path) -> list[Source]:
    """All files of a folder tree, a zip archive, or the one file, ordered by their paths; links to files are followed.

    Raises InputError where there is no such file or folder, where a link leads out of the folder or to nothing, and for
    a damaged archive.
    """
    if path.is_file():
        return _entries(path) if zipfile.is_zipfile(path) else [Source(path, path.name)]
    if not path.is_dir():
        raise InputError(f"{path}: no such file or folder; give a folder of DICOM files, one file, or a zip archive")
    root = path.resolve()
    found = []
    for folder, below, names in os.walk(path, onerror=_unreadable):
        for name in (*below, *names):
            place = Path(folder, name)
            if place.is_symlink():
                _check_link(place, root)
        inner = Path(folder).relative_to(path)
        found += [
            Source(Path(folder, name), (inner / name).as_posix()) for name in names if Path(folder, name).is_file()
        ]
    return sorted(found, key=_order)


def _entries(path: Path) -> list[Source]:
    try:
        with zipfile.ZipFile(path) as archive:
            infos = archive.infolist()
    except zipfile.BadZipFile as error:
        raise InputError(f"{path}: not a readable zip archive ({error}); copy or export it again") from error
    files = [Source(path, info.filename, number) for number, info in enumerate(infos) if not info.is_dir()]
    return sorted(files, key=_order)


def _order(one: Source) -> bytes:
    return one.inner.encode("utf-8", "surrogateescape")


def _unpacked(path: Path, number: int) -> BinaryIO:
    """An entry of an archive in memory or, where it is large, in a file without a name."""
    archive = _archive(path, path.stat().st_mtime_ns)
    entry = archive.infolist()[number]
    if entry.flag_bits & ENCRYPTED:
        raise UnreadableError
    with ExitStack() as stack:
        copy = stack.enter_context(SpooledTemporaryFile(IN_MEMORY_BYTES))
        file = stack.enter_context(archive.open(entry))
        left = entry.file_size
        while left and (block := file.read(min(BLOCK_BYTES, left))):
            copy.write(block)
            left -= len(block)
        copy.seek(0)
        stack.pop_all()
        file.close()
    return copy  # type: ignore[return-value]


@lru_cache(maxsize=1)
def _archive(path: Path, changed_ns: int) -> zipfile.ZipFile:
    """The open archive: its list of entries is read once, not for each of them."""
    return zipfile.ZipFile(path)


def _check_link(link: Path, root: Path) -> None:
    target = link.resolve()
    if not target.is_relative_to(root):
        raise InputError(
            f"{link}: a link must not lead out of the folder that is given; copy what it points to, or remove it"
        )
    if not target.exists():
        raise InputError(f"{link}: a link to nothing; remove it")


def _unreadable(error: OSError) -> None:
    raise InputError(f"{error.filename}: the folder cannot be read ({error.strerror}); change its rights") from error
