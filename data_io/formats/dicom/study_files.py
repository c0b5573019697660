"""Every DICOM file below a folder, at any depth, and why others are skipped."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.dicom.header import read_slice_with
from pneumoseg.data_io.formats.dicom.recognition import INDEX_NAME, named_dicom
from pneumoseg.data_io.formats.dicom.slices import Slice

KEYWORDS = (
    *("PatientID", "StudyInstanceUID", "StudyID", "AccessionNumber", "SOPInstanceUID", "ImageType"),
    *("ConvolutionKernel", "SliceThickness", "RescaleType"),
)
"""What is read of each header beside what a `Slice` holds."""

SkipReason = Literal[
    "files that are no DICOM",
    "lists of files (DICOMDIR)",
    "empty files",
    "damaged DICOM files",
    "files that may not be read",
    "files removed while they were read",
    "links to files outside the folder",
    "links to files that do not exist",
]


@dataclass(frozen=True, slots=True)
class StudyFile:
    """A DICOM file: its header, and values by DICOM keyword as text."""

    slice: Slice
    values: dict[str, str]


@dataclass(frozen=True, slots=True)
class Skipped:
    """A file or folder that is not read, and why."""

    path: Path
    reason: SkipReason


def study_files(folder: Path, further: Sequence[str] = ()) -> Iterator[StudyFile | Skipped]:
    """Reads the headers of all files below `folder`, in the order of their names, one at a time.

    `further`: DICOM keywords beside KEYWORDS.
    Hidden files and folders do not count. Links are followed to files within the folder alone, where these are hidden
    (as git-annex has them): others are found under their own names.
    """
    for found in _files_below(folder):
        yield found if isinstance(found, Skipped) else _read(found, [*KEYWORDS, *further])


def _files_below(folder: Path) -> Iterator[Path | Skipped]:
    root, pending = os.path.realpath(folder), [folder]
    while pending:
        place = pending.pop()
        try:
            with os.scandir(place) as scan:
                entries = sorted((entry for entry in scan if entry.name[0] != "."), key=lambda entry: entry.name)
        except (FileNotFoundError, NotADirectoryError):
            yield Skipped(place, "files removed while they were read")
            continue
        except OSError:
            yield Skipped(place, "files that may not be read")
            continue
        below = []
        for entry in entries:
            path = place / entry.name
            if entry.is_symlink():
                yield from _linked(path, root)
            elif entry.is_dir(follow_symlinks=False):
                below.append(path)
            elif entry.is_file(follow_symlinks=False):
                yield path
        pending.extend(reversed(below))


def _linked(link: Path, root: str) -> Iterator[Path | Skipped]:
    target = os.path.realpath(link)
    if not os.path.exists(target):
        yield Skipped(link, "links to files that do not exist")
    elif os.path.commonpath([root, target]) != root:
        yield Skipped(link, "links to files outside the folder")
    elif os.path.isfile(target) and any(part[0] == "." for part in Path(target).relative_to(root).parts):
        yield link


def _read(file: Path, keywords: Sequence[str]) -> StudyFile | Skipped:
    if file.name.upper() == INDEX_NAME:
        return Skipped(file, "lists of files (DICOMDIR)")
    try:
        size = file.stat().st_size
        found = read_slice_with(file, keywords) if size else None
    except (InputError, OSError):
        return Skipped(file, _unreadable(file))
    if found is None:
        return Skipped(
            file,
            "empty files" if not size else "damaged DICOM files" if named_dicom(file) else "files that are no DICOM",
        )
    one, values = found
    if not one.rows and one.modality in ("CT", ""):
        return Skipped(file, "damaged DICOM files")
    return StudyFile(one, values)


def _unreadable(file: Path) -> SkipReason:
    if not file.exists():
        return "files removed while they were read"
    return "damaged DICOM files" if os.access(file, os.R_OK) else "files that may not be read"
