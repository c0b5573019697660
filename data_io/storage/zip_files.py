"""Zip archives of others, unpacked within limits."""

import lzma
import re
import shutil
import stat
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from pneumoseg.data_io.console import track
from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.storage.atomic import folder_aside, replace_folder, restore_replaced

BLOCK_BYTES = 1 << 20
DAMAGE = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError, ValueError)
"""What a damaged archive raises, beside an OSError without a number, as of bz2."""
MAX_EXPANSION = 100
"""Largest unpacked size of an archive, in multiples of its own: compressed CTs expand by less than 10."""


def unpack_zip(path: str | Path, folder: str | Path, overwrite: bool = False) -> None:
    """Unpacks an archive to `folder`, which appears whole or not at all.

    Raises InputError for a damaged archive; for an entry that is absolute, climbs out by "..", is a link, a device or
    encrypted; for contents more than 100 times as large as the archive, or larger than the free space of the disk; and
    for a folder that exists, unless `overwrite`.
    """
    path, folder = Path(path), Path(folder)
    if folder.exists() and not overwrite:
        raise InputError(f"{folder}: exists already; remove it, or ask to overwrite it")
    restore_replaced(folder)
    try:
        with zipfile.ZipFile(path) as archive, folder_aside(folder) as place:
            entries = archive.infolist()
            _check_entries(path, entries, free_bytes=shutil.disk_usage(place).free)
            aside = place / folder.name
            aside.mkdir()
            for entry in track(entries, f"unpacking {path.name}", total=len(entries)):
                target = aside / entry.filename
                if entry.is_dir():
                    target.mkdir(parents=True, exist_ok=True)
                    continue
                target.parent.mkdir(parents=True, exist_ok=True)
                with archive.open(entry) as source, open(target, "wb") as file:
                    shutil.copyfileobj(source, file, BLOCK_BYTES)
            replace_folder(aside, folder)
    except (*DAMAGE, OSError) as error:
        if isinstance(error, InputError) or (isinstance(error, OSError) and error.errno):
            raise
        raise InputError(f"{path}: not a readable zip archive ({error}); download or export it again") from error


@contextmanager
def unzipped(path: Path) -> Iterator[Path]:
    """A temporary folder, of the archive's name, with what a zip archive holds; of other paths the path itself.

    Raises InputError as `unpack_zip`.
    """
    if not (path.is_file() and zipfile.is_zipfile(path)):
        yield path
        return
    with TemporaryDirectory() as place:
        folder = Path(place, path.stem)
        unpack_zip(path, folder)
        yield folder


def _check_entries(path: Path, entries: list[zipfile.ZipInfo], free_bytes: int) -> None:
    check_entries(path, entries)
    unpacked = sum(entry.file_size for entry in entries)
    if unpacked > free_bytes:
        raise InputError(f"{path}: unpacked it needs {unpacked} bytes, found {free_bytes} free on the disk; make room")


def check_entries(path: Path, entries: Sequence[zipfile.ZipInfo]) -> None:
    """Raises InputError as `unpack_zip` for what the list of an archive's entries says, the disk left aside."""
    for entry in entries:
        name = PurePosixPath(entry.filename.replace("\\", "/"))
        if name.is_absolute() or ".." in name.parts or re.match(r"[A-Za-z]:", entry.filename) or not name.parts:
            raise InputError(f"{path}: entry {entry.filename!r} would be written outside the folder; not unpacked")
        kind = stat.S_IFMT(entry.external_attr >> 16)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise InputError(f"{path}: entry {entry.filename!r} is a link or device, not a file; not unpacked")
        if entry.flag_bits & 0x1:
            raise InputError(f"{path}: entry {entry.filename!r} is encrypted; not unpacked")
    unpacked, packed = sum(entry.file_size for entry in entries), path.stat().st_size
    if unpacked > MAX_EXPANSION * packed:
        raise InputError(
            f"{path}: {packed} bytes would unpack to {unpacked}, more than {MAX_EXPANSION} times as much; not unpacked"
        )
