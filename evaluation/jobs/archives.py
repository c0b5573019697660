"""Uploaded zip archives: what their list of entries says, before any of them is unpacked."""

import struct
import zipfile
from pathlib import Path, PurePosixPath

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.dicom.recognition import HEAD_BYTES
from pneumoseg.data_io.storage.zip_files import DAMAGE, check_entries
from pneumoseg.evaluation.jobs.content import is_dicom_head

MOST_ENTRIES = 20_000
MOST_LIST_BYTES = 8 << 20
"""Of the list of entries, which is read whole: 20000 entries with names of 300 letters fit."""
LOOKED_AT = 20
END, END_BYTES, LONGEST_REMARK = b"PK\x05\x06", 22, 0xFFFF
LARGE_END, LARGE_END_PLACE = b"PK\x06\x06", b"PK\x06\x07"
LARGE_END_PLACE_BYTES = 20
DAMAGED = "the zip archive is damaged or truncated; export or copy it again"
NO_FILES = ("__MACOSX", "Thumbs.db", "desktop.ini")


def check_archive(path: Path) -> bool:
    """Whether an archive holds DICOM files, by the first few of its entries.

    Raises InputError, before memory is taken, for an archive that is damaged or empty, has too many entries, holds
    archives, and as `zip_files.check_entries`: encrypted, with links or names that lead out of a folder, or a bomb.
    """
    if _list_bytes(path) > MOST_LIST_BYTES:
        raise InputError(f"a zip archive holds at most {MOST_ENTRIES} files, found more; upload one series")
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            if len(entries) > MOST_ENTRIES:
                raise InputError(f"a zip archive holds at most {MOST_ENTRIES} files, found {len(entries)}")
            check_entries(path, entries)
            files = [one for one in entries if not one.is_dir() and is_counted(PurePosixPath(one.filename))]
            if not files:
                raise InputError("the zip archive holds no file; add the slices of a CT")
            if any(one.filename.lower().endswith(".zip") for one in files):
                raise InputError("the zip archive holds zip archives; upload one of these instead")
            return any(is_dicom_head(_head(archive, one)) for one in files[:LOOKED_AT])
    except (*DAMAGE, OSError) as error:
        if isinstance(error, InputError) or (isinstance(error, OSError) and error.errno):
            raise
        raise InputError(DAMAGED) from error


def is_counted(inner: PurePosixPath) -> bool:
    """Whether a file of an archive counts: hidden ones, and what systems put beside the files, do not."""
    return not any(part.startswith(".") or part in NO_FILES for part in inner.parts)


def _head(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    with archive.open(entry) as file:
        return file.read(HEAD_BYTES)


def _list_bytes(path: Path) -> int:
    """How long the list of entries is, by the records at the archive's end. Raises InputError where there are none."""
    size = path.stat().st_size
    with open(path, "rb") as file:
        start = max(0, size - END_BYTES - LONGEST_REMARK - LARGE_END_PLACE_BYTES)
        file.seek(start)
        tail = file.read()
        at = tail.rfind(END)
        if at < 0 or at + END_BYTES > len(tail):
            raise InputError(DAMAGED)
        found = struct.unpack_from("<I", tail, at + 12)[0]
        place = at - LARGE_END_PLACE_BYTES
        if place >= 0 and tail[place : place + 4] == LARGE_END_PLACE:
            file.seek(min(struct.unpack_from("<Q", tail, place + 8)[0], size))
            record = file.read(56)
            if record[:4] != LARGE_END or len(record) < 56:
                raise InputError(DAMAGED)
            return int(struct.unpack_from("<Q", record, 40)[0])
    return int(found)
