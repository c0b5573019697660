"""Reads the header of one DICOM file to a `Slice`."""

import hashlib
import math
import os
import struct
import warnings
import zlib
from collections.abc import Iterator, MutableSequence, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.dicom.deflated import data_stream
from pneumoseg.data_io.formats.dicom.recognition import HEAD_BYTES, is_head
from pneumoseg.data_io.formats.dicom.slices import Pixels, Slice

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

UNDEFINED_LENGTH = 0xFFFFFFFF
TAGS = [
    *("BitsAllocated", "BitsStored", "Columns", "HighBit", "ImageOrientationPatient", "ImagePositionPatient"),
    *("ImageType", "Modality", "ModalityLUTSequence", "NumberOfFrames", "PatientID", "PhotometricInterpretation"),
    *("PixelPaddingValue", "PixelRepresentation", "PixelSpacing", "RescaleIntercept", "RescaleSlope", "Rows"),
    *("SamplesPerPixel", "SeriesDescription", "SeriesInstanceUID", "SeriesNumber", "SliceThickness"),
    *("SpacingBetweenSlices", "StudyDate"),
]


def read_slice(file: Path) -> Slice | None:
    """Reads the header of one file; None where it is not DICOM, or lists the files of a medium.

    Raises InputError where it is damaged or cannot be read.
    """
    found = read_slice_with(file, ())
    return None if found is None else found[0]


def read_slice_with(file: Path, keywords: Sequence[str]) -> tuple[Slice, dict[str, str]] | None:
    """As `read_slice`, and the values of further attributes by their DICOM keywords, as text: "" where one is missing,
    several values joined by backslashes."""
    try:
        with open(file, "rb") as stream, lenient():
            head = stream.read(HEAD_BYTES)
            return _read(file, stream, head, keywords) if is_head(head) else None
    except RecursionError as error:
        raise InputError(f"{file}: the DICOM header nests sequences too deeply; export the file again") from error
    except damage() as error:
        if isinstance(error, InputError):
            raise
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{file}: the DICOM header is damaged ({reason}); copy or export the file again") from error


def number_in(text: str) -> float | None:
    """The number that the text of a value is; None where it is none, or not finite."""
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _read(file: Path, stream: BinaryIO, head: bytes, keywords: Sequence[str]) -> tuple[Slice, dict[str, str]]:
    from pydicom import dcmread

    inflated = data_stream(file, stream, head)
    header = dcmread(inflated, stop_before_pixels=True, force=True, specific_tags=[*TAGS, *keywords])
    slope, intercept = _numbers(header, "RescaleSlope", 1), _numbers(header, "RescaleIntercept", 1)
    spacing = _numbers(header, "PixelSpacing", 2)
    thickness = [_numbers(header, keyword, 1) for keyword in ("SpacingBetweenSlices", "SliceThickness")]
    pixels = _pixels(inflated, header)
    patient = _text(header, "PatientID")
    rows, columns = _number(header, "Rows") or 0, _number(header, "Columns") or 0
    has_image = rows > 0 and columns > 0
    one = Slice(
        file=file,
        uid=_text(header, "SeriesInstanceUID"),
        number=_number(header, "SeriesNumber"),
        description=_text(header, "SeriesDescription"),
        modality=_text(header, "Modality").upper(),
        localizer="LOCALIZER" in _text(header, "ImageType").upper(),
        rows=rows if has_image else 0,
        columns=columns if has_image else 0,
        position_mm=_numbers(header, "ImagePositionPatient", 3),
        cosines=_numbers(header, "ImageOrientationPatient", 6),
        spacing_mm=spacing if spacing and min(spacing) > 0 else None,
        thickness_mm=next((abs(one[0]) for one in thickness if one and one[0]), None),
        slope=slope[0] if slope else None,
        intercept=intercept[0] if intercept else None,
        has_table="ModalityLUTSequence" in header,
        padding_hu=_padding_hu(header, slope[0] if slope else 1.0, intercept[0] if intercept else 0.0),
        frames=_number(header, "NumberOfFrames") or 1,
        photometric=_text(header, "PhotometricInterpretation")
        or ("MONOCHROME2" if (_number(header, "SamplesPerPixel") or 1) == 1 else "colour"),
        pixels=pixels,
        patient=hashlib.sha256(patient.encode()).hexdigest()[:16] if patient else "",
        study_date=date if len(date := _text(header, "StudyDate")) == 8 and date.isdecimal() else "",
    )
    return one, {keyword: _joined(header, keyword) for keyword in keywords}


def _pixels(stream: BinaryIO, header: "Dataset") -> Pixels | None:
    """Where `stream` stands at the element PixelData; None where it does not."""
    _, little = header.original_encoding
    order = "<" if little else ">"
    element = stream.read(12)
    if len(element) < 8 or struct.unpack_from(f"{order}HH", element) != (0x7FE0, 0x0010):
        return None
    value_type = element[4:6]
    # Whatever the header declares: a length of implicit elements that begins so would be more than a gigabyte.
    explicit = value_type in (b"OB", b"OW", b"UN") and element[6:8] == b"\0\0"
    if explicit and len(element) < 12:
        return None
    start = stream.tell() - len(element) + (12 if explicit else 8)
    (length,) = struct.unpack_from(f"{order}I", element, 8 if explicit else 4)
    allocated = _number(header, "BitsAllocated") or 16
    stored = _number(header, "BitsStored") or allocated
    high_bit, signed = _number(header, "HighBit"), _number(header, "PixelRepresentation")
    return Pixels(
        start=start,
        length=None if length == UNDEFINED_LENGTH else length,
        available=stream.seek(0, os.SEEK_END) - start,
        little_endian=bool(little),
        words=value_type == b"OW",
        samples=_number(header, "SamplesPerPixel") or 1,
        bits_allocated=allocated,
        bits_stored=stored,
        high_bit=stored - 1 if high_bit is None else high_bit,
        signed=None if signed is None else signed == 1,
        syntax=str(header.file_meta.get("TransferSyntaxUID", "")),
    )


@cache
def damage() -> tuple[type[Exception], ...]:
    """What pydicom raises over a damaged header."""
    from pydicom.errors import BytesLengthException, InvalidDicomError

    return (
        *(AttributeError, EOFError, KeyError, NotImplementedError, OSError, OverflowError, TypeError, ValueError),
        *(struct.error, zlib.error, BytesLengthException, InvalidDicomError),
    )


@contextmanager
def lenient() -> Iterator[None]:
    """pydicom without its checks of values, which many headers fail; the values that are used are checked here."""
    from pydicom import config

    with warnings.catch_warnings(), config.disable_value_validation():
        warnings.simplefilter("ignore")
        yield


def _padding_hu(header: "Dataset", slope: float, intercept: float) -> float | None:
    stored = _number(header, "PixelPaddingValue")
    if stored is None:
        return None
    # Signed pixels may have a padding value that is written as an unsigned number.
    for bits in (8, 16, 32):
        signed = _number(header, "PixelRepresentation") == 1 and (_number(header, "BitsAllocated") or 16) == bits
        if signed and stored >= 2 ** (bits - 1):
            stored -= 2**bits
    return stored * slope + intercept


def value_in(header: "Dataset", keyword: str) -> Any:
    """The value of an attribute; None where it is missing or cannot be decoded."""
    try:
        return header.get(keyword)
    except damage():
        return None


def _text(header: "Dataset", keyword: str) -> str:
    value = value_in(header, keyword)
    return "" if value is None else str(value).strip()


def _joined(header: "Dataset", keyword: str) -> str:
    value = value_in(header, keyword)
    values = value if isinstance(value, MutableSequence) else [value]
    return "\\".join("" if one is None else str(one).strip() for one in values)


def _numbers(header: "Dataset", keyword: str, count: int) -> tuple[float, ...] | None:
    try:
        values = np.atleast_1d(np.asarray(value_in(header, keyword), dtype=np.float64))
    except (TypeError, ValueError):
        return None
    return tuple(values.tolist()) if values.shape == (count,) and np.isfinite(values).all() else None


def _number(header: "Dataset", keyword: str) -> int | None:
    values = _numbers(header, keyword, 1)
    return None if values is None else math.floor(values[0])
