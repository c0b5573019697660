"""Why a job failed, in one sentence for the person who uploaded: no path, no name of a file of the server."""

import errno
import logging
import re
from pathlib import Path

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.public_text import AboutFiles, public, visible

LONGEST = 600
NO_SPACE = (errno.ENOSPC, errno.EDQUOT)
DISK_FULL = "The disk of the server is full; try again when there is room."
NO_MEMORY = "The memory of the server does not suffice for this file."
FAULT = "The program failed over this job ({}); this is a fault of the program."
PREFIX = re.compile(r"(?:[\w.\-]+/)*([\w.\-]+): ")
"""The name of a file at the start of a message, perhaps with folders of the job."""


def failure(error: BaseException, folder: Path) -> str:
    """The reason of a failure. `folder`: of the job, whose files the message may name.

    >>> failure(InputError("/data/jobs/x/input/ct.nii: the file is truncated; copy it again"), Path("/data/jobs/x"))
    'The file is truncated; copy it again.'
    >>> failure(KeyError("Doe^John"), Path("/data"))
    'The program failed over this job (KeyError); this is a fault of the program.'
    """
    if is_disk_full(error):
        return DISK_FULL
    if isinstance(error, MemoryError) or isinstance(error.__cause__, MemoryError):
        return NO_MEMORY
    if isinstance(error, InputError):
        return sentence(str(error), folder)
    return FAULT.format(type(error).__name__)


def is_disk_full(error: BaseException) -> bool:
    """Whether a full disk is the reason of an error."""
    causes = (error, error.__cause__)
    return any(isinstance(one, OSError) and one.errno in NO_SPACE for one in causes)


def sentence(text: str, folder: Path) -> str:
    """A message without the places of files in `folder`, as one sentence of at most 600 characters.

    >>> sentence("/data/x/input/ct: no slices in /data/x/input/ct", Path("/data/x"))
    'No slices in ct.'
    """
    places = [folder, *(folder / name for name in ("input", "upload"))]
    about = AboutFiles(visible(" ".join(text.split())), places)
    record = logging.LogRecord("", logging.ERROR, "", 0, "%s", (about,), None)
    reason = public(record)
    while match := PREFIX.match(reason):
        if not _is_file_name(match[1]):
            break
        reason = reason[match.end() :]
    reason = reason[:LONGEST].strip()
    return reason[:1].upper() + reason[1:] + ("" if reason.endswith((".", "?", "!")) else ".")


def _is_file_name(name: str) -> bool:
    return "." in name or name.isdigit() or name in ("ct", "input", "upload", "picture", "mask", "unpacked", "clean")
