"""Which DICOM files make up a series, told from their headers alone."""

import math
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from os import scandir
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from data_io.errors import InputError
from data_io.reporting import listed, log, track

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

SUFFIXES = (".dcm", ".dicom", ".ima")
INDEX_NAME = "DICOMDIR"  # lists the files of a medium, holds no image
UID_ROOT = b"1.2.840.10008."  # begins every UID of the standard itself, such as that of the class "CT Image Storage"
HEAD_BYTES = 1024
ENTRIES_LOOKED_AT = 64
SAME_COSINE = 1e-3  # direction cosines nearer than this are one orientation (0.06 degrees)
TAGS = [
    *("BitsAllocated", "Columns", "ImageOrientationPatient", "ImagePositionPatient", "ImageType", "Modality"),
    *("NumberOfFrames", "PhotometricInterpretation", "PixelPaddingValue", "PixelRepresentation", "PixelSpacing"),
    *("RescaleIntercept", "RescaleSlope", "Rows", "SamplesPerPixel", "SeriesDescription", "SeriesInstanceUID"),
    *("SeriesNumber", "SliceThickness", "SpacingBetweenSlices"),
]
DAMAGED = (
    *(AttributeError, EOFError, KeyError, NotImplementedError, OSError, OverflowError, TypeError, ValueError),
    *(struct.error, zlib.error),
)


@dataclass(frozen=True)
class Slice:
    """What the header of one file says; None where a value is missing or not a number.

    `position_mm`: ImagePositionPatient, the centre of the first pixel (LPS). `cosines`: ImageOrientationPatient, the
    direction (LPS) in which columns count up, then that of rows. `spacing_mm`: PixelSpacing, between rows, then
    between columns. `thickness_mm`: SpacingBetweenSlices, else SliceThickness. `slope`, `intercept`: from stored
    value to HU. `padding_hu`: PixelPaddingValue in HU. `frames`: images in the file. `photometric`:
    MONOCHROME2 in a CT.
    """

    file: Path
    rows: int
    columns: int
    position_mm: tuple[float, ...] | None
    cosines: tuple[float, ...] | None
    spacing_mm: tuple[float, ...] | None
    thickness_mm: float | None
    slope: float | None
    intercept: float | None
    padding_hu: float | None
    frames: int
    photometric: str
    transfer_syntax: str

    @property
    def has_geometry(self) -> bool:
        """Whether the header tells where the slice lies."""
        return None not in (self.position_mm, self.cosines, self.spacing_mm)

    @property
    def normal(self) -> np.ndarray:
        """The direction (LPS) in which slices count up: columns' direction x rows' direction, (3,)."""
        if self.cosines is None:
            raise ValueError(f"{self.file}: no orientation")
        return np.cross(self.cosines[:3], self.cosines[3:])


@dataclass(frozen=True)
class Series:
    """Slices of one size and orientation that share a SeriesInstanceUID (which may be empty or invalid).

    `slices` are ordered by position along their normal, whatever their names; by name where positions are missing.
    """

    uid: str
    number: int | None
    description: str
    modality: str
    slices: tuple[Slice, ...]

    @property
    def files(self) -> tuple[Path, ...]:
        """The files from the first slice to the last."""
        return tuple(one.file for one in self.slices)

    @property
    def is_plain_ct(self) -> bool:
        """Whether it is a CT of grey slices, one per file, that say where they lie."""
        return self.modality == "CT" and all(
            one.has_geometry and one.frames == 1 and one.photometric.startswith("MONOCHROME") for one in self.slices
        )

    def __str__(self) -> str:
        number = "without number" if self.number is None else f"{self.number}"
        description = f' "{self.description}"' if self.description else ""
        size = f"{len(self.slices)} of {self.slices[0].columns} x {self.slices[0].rows}"
        return f"{number}{description} ({self.modality or 'no modality'}, slices: {size}, UID {self.uid or 'empty'})"


def is_dicom(path: str | Path) -> bool:
    """Whether `path` is a DICOM file, or a folder with one among the first 64 things in it (subfolders not entered).

    A file is recognised by its suffix, by the letters DICM at byte 128 or, without these, by a start that looks like
    a header with a standard UID.
    """
    path = Path(path)
    try:
        if not path.is_dir():
            return path.is_file() and _looks_like_dicom(path)
        with scandir(path) as entries:
            names = [entry.name for entry in islice(entries, ENTRIES_LOOKED_AT) if entry.is_file()]
        visible = [path / name for name in names if not name.startswith(".")]
        return any(map(_named_dicom, visible)) or any(map(_looks_like_dicom, visible))
    except OSError:
        return False


def find_series(path: str | Path) -> list[Series]:
    """The image series in a folder (not in its subfolders), or the one of a single file; most slices first.

    Reads headers only. Files of one SeriesInstanceUID that differ in orientation or size become series of their own.
    Hidden files, files that are not DICOM and DICOM without image are passed over; localizers (scouts) and damaged
    files too, with a warning. Raises InputError where `path` does not exist.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(f"{path}: no such file or folder; give a folder with the slices of a DICOM series")
    files = [path] if path.is_file() else sorted(file for file in path.iterdir() if file.is_file())
    files = [file for file in files if not file.name.startswith(".") and file.name.upper() != INDEX_NAME]
    groups: dict[tuple, list[Slice]] = {}
    damaged, localizers = [], []
    with _lenient():
        for file in track(files, "reading DICOM headers"):
            try:
                header = _header(file)
                found = _slice(file, header) if header else None
            except DAMAGED:
                damaged.append(file.name)
                continue
            if header is None or found is None:
                # Without size: a report or a structure set, unless it is said to be a CT or not even that is left.
                if _named_dicom(file) if header is None else _text(header, "Modality") in ("CT", ""):
                    damaged.append(file.name)
            elif "LOCALIZER" in _text(header, "ImageType").upper():
                localizers.append(file.name)
            else:
                uid, modality = _text(header, "SeriesInstanceUID"), _text(header, "Modality").upper()
                series = (uid, _number(header, "SeriesNumber"), _text(header, "SeriesDescription"), modality)
                groups.setdefault(_key(groups, series, found), []).append(found)
    if localizers:
        log.warning("%s: passed over localizer (scout) images: %s", path, listed(localizers))
    if damaged:
        log.warning("%s: passed over damaged DICOM files: %s", path, listed(damaged))
    every = [Series(key[0], key[1], key[2], key[3], _ordered(slices)) for key, slices in groups.items()]
    return sorted(every, key=lambda one: (-len(one.slices), one.number or 0, one.uid))


def _key(groups: dict[tuple, list[Slice]], series: tuple, found: Slice) -> tuple:
    """Of the group that the slice belongs to; a UID rules over number and description."""
    for key, (first, *_) in groups.items():
        same = key[0] == series[0] if series[0] else key[:3] == series[:3]
        if same and key[3] == series[3] and (first.rows, first.columns) == (found.rows, found.columns):
            here, there = first.cosines, found.cosines
            if here == there or (here and there and np.abs(np.subtract(here, there)).max() < SAME_COSINE):
                return key
    return (*series, len(groups))


def _ordered(slices: list[Slice]) -> tuple[Slice, ...]:
    if not all(one.has_geometry for one in slices):
        return tuple(slices)
    normal = slices[0].normal
    return tuple(sorted(slices, key=lambda one: float(np.dot(normal, one.position_mm or ()))))


def _named_dicom(path: Path) -> bool:
    return path.name.lower().endswith(SUFFIXES)


def _looks_like_dicom(path: Path) -> bool:
    if path.name.upper() == INDEX_NAME:
        return False
    return _named_dicom(path) or _starts_like_dicom(path)


def _starts_like_dicom(path: Path) -> bool:
    with open(path, "rb") as file:
        head = file.read(HEAD_BYTES)
    # Without the preamble a file begins with its first tag, of group 2 or 8, little endian.
    return head[128:132] == b"DICM" or (head[:2] in (b"\x02\x00", b"\x08\x00") and UID_ROOT in head)


@contextmanager
def _lenient() -> Iterator[None]:
    """Headers in the wild break the standard's value rules all the time; what matters here is checked by hand."""
    from pydicom import config

    with warnings.catch_warnings(), config.disable_value_validation():
        warnings.simplefilter("ignore")
        yield


def _header(file: Path) -> "Dataset | None":
    from pydicom import dcmread

    if not _starts_like_dicom(file):
        return None
    return dcmread(file, stop_before_pixels=True, force=True, specific_tags=list(TAGS))


def _slice(file: Path, header: "Dataset") -> Slice | None:
    """None where the file holds no image (a report, a structure set)."""
    rows, columns = _number(header, "Rows"), _number(header, "Columns")
    if not rows or not columns:
        return None
    slope, intercept = _numbers(header, "RescaleSlope", 1), _numbers(header, "RescaleIntercept", 1)
    spacing = _numbers(header, "PixelSpacing", 2)
    cosines = _numbers(header, "ImageOrientationPatient", 6)
    thickness = [_numbers(header, keyword, 1) for keyword in ("SpacingBetweenSlices", "SliceThickness")]
    samples = _number(header, "SamplesPerPixel") or 1
    photometric = _text(header, "PhotometricInterpretation") or ("MONOCHROME2" if samples == 1 else "colour")
    return Slice(
        file=file,
        rows=rows,
        columns=columns,
        position_mm=_numbers(header, "ImagePositionPatient", 3),
        cosines=cosines,
        spacing_mm=spacing if spacing and min(spacing) > 0 else None,
        thickness_mm=next((abs(one[0]) for one in thickness if one and one[0]), None),
        slope=slope[0] if slope else None,
        intercept=intercept[0] if intercept else None,
        padding_hu=_padding_hu(header, slope[0] if slope else 1.0, intercept[0] if intercept else 0.0),
        frames=_number(header, "NumberOfFrames") or 1,
        photometric=photometric,
        transfer_syntax=getattr(header.file_meta.get("TransferSyntaxUID"), "name", "unknown"),
    )


def _padding_hu(header: "Dataset", slope: float, intercept: float) -> float | None:
    stored = _number(header, "PixelPaddingValue")
    if stored is None:
        return None
    bits = _number(header, "BitsAllocated") or 16
    if _number(header, "PixelRepresentation") == 1 and stored >= 2 ** (bits - 1):
        stored -= 2**bits  # signed pixels whose padding is written as an unsigned number
    return stored * slope + intercept


def _value(header: "Dataset", keyword: str) -> Any:
    try:
        return header.get(keyword)
    except DAMAGED:
        return None


def _text(header: "Dataset", keyword: str) -> str:
    value = _value(header, keyword)
    return "" if value is None else str(value).strip()


def _numbers(header: "Dataset", keyword: str, count: int) -> tuple[float, ...] | None:
    try:
        values = np.atleast_1d(np.asarray(_value(header, keyword), dtype=np.float64))
    except (TypeError, ValueError):
        return None
    return tuple(values.tolist()) if values.shape == (count,) and np.isfinite(values).all() else None


def _number(header: "Dataset", keyword: str) -> int | None:
    found = _numbers(header, keyword, 1)
    return None if found is None else math.floor(found[0])
