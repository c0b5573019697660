"""What the header of one DICOM file says of its slice, and where in the file its pixels lie."""

import hashlib
import math
import os
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from pneumoseg.data_io.errors import InputError

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

SUFFIXES = (".dcm", ".dicom", ".ima")
INDEX_NAME = "DICOMDIR"  # lists the files of a medium, holds no image
INDEX_CLASS = b"\x02\x00\x02\x00UI\x14\x001.2.840.10008.1.3.10"  # MediaStorageSOPClassUID of such a list
UID_ROOT = b"1.2.840.10008."  # begins every UID of the standard itself, such as that of the class "CT Image Storage"
HEAD_BYTES = 1024
DEFLATED, EXPLICIT = b"1.2.840.10008.1.2.1.99", b"1.2.840.10008.1.2.1"
MOST_INFLATED_BYTES = 64 * 2**20
UNDEFINED_LENGTH = 0xFFFFFFFF
VALUE_TYPES = b"AE AS AT CS DA DS DT IS LO LT OB OW PN SH SQ ST TM UI UL UN US UT".split()
LONG_LENGTHS = (b"OB", b"OW", b"SQ", b"UN", b"UT")  # two bytes are skipped, then the length takes four
TAGS = [
    *("BitsAllocated", "BitsStored", "Columns", "HighBit", "ImageOrientationPatient", "ImagePositionPatient"),
    *("ImageType", "Modality", "ModalityLUTSequence", "NumberOfFrames", "PatientID", "PhotometricInterpretation"),
    *("PixelPaddingValue", "PixelRepresentation", "PixelSpacing", "RescaleIntercept", "RescaleSlope", "Rows"),
    *("SamplesPerPixel", "SeriesDescription", "SeriesInstanceUID", "SeriesNumber", "SliceThickness"),
    "SpacingBetweenSlices",
]


@dataclass(frozen=True, slots=True)
class Pixels:
    """How the pixels of one file are stored.

    `start`: the first byte of PixelData's value, in the inflated file where the transfer syntax is the deflated one.
    `length`: its bytes by its header; None where it is encapsulated, that is compressed. `available`: the bytes from
    `start` to the end of the file. `little_endian`, `words`: the order of bytes; words are of two bytes. `signed` is
    None where PixelRepresentation is missing. `syntax`: the UID of the transfer syntax, or "".
    """

    start: int
    length: int | None
    available: int
    little_endian: bool
    words: bool
    samples: int
    bits_allocated: int
    bits_stored: int
    high_bit: int
    signed: bool | None
    syntax: str


@dataclass(frozen=True, slots=True)
class Slice:
    """What the header of one file says; None where a value is missing or not a number.

    `position_mm`: ImagePositionPatient, the centre of the first pixel (LPS). `cosines`: ImageOrientationPatient, the
    direction (LPS) in which columns count up, then that of rows. `spacing_mm`: PixelSpacing, between rows, then
    between columns. `thickness_mm`: SpacingBetweenSlices, else SliceThickness. `slope`, `intercept`: from stored
    value to HU; `has_table`: a lookup table takes their place. `padding_hu`: PixelPaddingValue in HU. `frames`: images
    in the file. `photometric`: MONOCHROME2 in a CT. `rows` and `columns` are 0 where the file holds no image (a
    report, a structure set). `patient`: PatientID as a hash, "" where it is empty.
    """

    file: Path
    uid: str
    number: int | None
    description: str
    modality: str
    localizer: bool
    rows: int
    columns: int
    position_mm: tuple[float, ...] | None
    cosines: tuple[float, ...] | None
    spacing_mm: tuple[float, ...] | None
    thickness_mm: float | None
    slope: float | None
    intercept: float | None
    has_table: bool
    padding_hu: float | None
    frames: int
    photometric: str
    pixels: Pixels | None
    patient: str = field(repr=False)

    @property
    def has_geometry(self) -> bool:
        """Whether the header tells where the slice lies."""
        return None not in (self.position_mm, self.cosines, self.spacing_mm)

    @property
    def is_plain_ct(self) -> bool:
        """Whether it is a CT slice of grey pixels, alone in its file, that says where it lies."""
        grey = self.photometric.startswith("MONOCHROME")
        return self.modality == "CT" and self.has_geometry and self.frames == 1 and grey

    @property
    def normal(self) -> np.ndarray:
        """The direction (LPS) in which slices count up: columns' direction x rows' direction, (3,)."""
        if self.cosines is None:
            raise ValueError(f"{self.file}: no orientation")
        return np.cross(self.cosines[:3], self.cosines[3:])


def named_dicom(path: Path) -> bool:
    """Whether the file's name ends as those of DICOM files do."""
    return path.name.lower().endswith(SUFFIXES)


def starts_like_dicom(path: Path) -> bool:
    """Whether the file has the letters DICM at byte 128 or, without these, begins as a header does.

    The list of a medium's files (DICOMDIR, whatever its name) is not counted.
    """
    with open(path, "rb") as file:
        return _is_head(file.read(HEAD_BYTES))


def read_slice(file: Path) -> Slice | None:
    """Reads the header of one file; None where it is not DICOM, or lists the files of a medium.

    Raises InputError where it is damaged or cannot be read.
    """
    try:
        with open(file, "rb") as stream, _lenient():
            head = stream.read(HEAD_BYTES)
            return _read(file, stream, head) if _is_head(head) else None
    except RecursionError as error:
        raise InputError(f"{file}: the DICOM header nests sequences too deeply; export the file again") from error
    except _damage() as error:
        if isinstance(error, InputError):
            raise
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{file}: the DICOM header is damaged ({reason}); copy or export the file again") from error


def data_stream(file: Path, stream: BinaryIO, head: bytes) -> BinaryIO:
    """`stream`, or the file as it would be without deflate, where its transfer syntax is the deflated one.

    `head`: the first bytes of `stream`, already read from it. Raises InputError where the inflated data set is larger
    than 64 MiB, and zlib.error where it is damaged.
    """
    stream.seek(0)
    if head[128:132] != b"DICM" or DEFLATED not in head:
        return stream
    (length,) = struct.unpack_from("<I", head, 140)  # of the rest of group 2, which is never deflated
    meta = stream.read(144 + length).replace(DEFLATED, EXPLICIT.ljust(len(DEFLATED), b"\0"))
    unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
    inflated = unpacker.decompress(stream.read(), MOST_INFLATED_BYTES)
    if unpacker.unconsumed_tail:
        raise InputError(f"{file}: a deflated slice of at most {MOST_INFLATED_BYTES} bytes is read here; inflate it")
    return BytesIO(meta + inflated)


def _read(file: Path, stream: BinaryIO, head: bytes) -> Slice:
    from pydicom import dcmread

    inflated = data_stream(file, stream, head)
    header = dcmread(inflated, stop_before_pixels=True, force=True, specific_tags=list(TAGS))
    slope, intercept = _numbers(header, "RescaleSlope", 1), _numbers(header, "RescaleIntercept", 1)
    spacing = _numbers(header, "PixelSpacing", 2)
    thickness = [_numbers(header, keyword, 1) for keyword in ("SpacingBetweenSlices", "SliceThickness")]
    pixels = _pixels(inflated, header)
    patient = _text(header, "PatientID")
    rows, columns = _number(header, "Rows") or 0, _number(header, "Columns") or 0
    has_image = rows > 0 and columns > 0
    return Slice(
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
    )


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


def _is_head(head: bytes) -> bool:
    if head[128:132] == b"DICM":
        return INDEX_CLASS not in head
    # Without the preamble a file begins with its first tag, of group 2 or 8, little endian.
    if head[:2] not in (b"\x02\x00", b"\x08\x00") or INDEX_CLASS in head:
        return False
    return UID_ROOT in head or _begins_with_elements(head)


def _begins_with_elements(head: bytes, count: int = 4) -> bool:
    """Whether `head` begins with `count` elements of short values, their tags ascending."""
    at, before = 0, (0, 0)
    for _ in range(count):
        if at + 12 > len(head):
            return False
        tag, value_type = struct.unpack_from("<HH", head, at), head[at + 4 : at + 6]
        if value_type in LONG_LENGTHS:
            size = 12 + struct.unpack_from("<I", head, at + 8)[0]
        elif value_type in VALUE_TYPES:
            size = 8 + struct.unpack_from("<H", head, at + 6)[0]
        else:
            size = 8 + struct.unpack_from("<I", head, at + 4)[0]
        if tag <= before or size % 2 or size > len(head):
            return False
        at, before = at + size, tag
    return True


@cache
def _damage() -> tuple[type[Exception], ...]:
    """What pydicom raises over a damaged header."""
    from pydicom.errors import BytesLengthException, InvalidDicomError

    return (
        *(AttributeError, EOFError, KeyError, NotImplementedError, OSError, OverflowError, TypeError, ValueError),
        *(struct.error, zlib.error, BytesLengthException, InvalidDicomError),
    )


@contextmanager
def _lenient() -> Iterator[None]:
    """Headers in the wild break the standard's value rules all the time; what matters here is checked by hand."""
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


def _value(header: "Dataset", keyword: str) -> Any:
    try:
        return header.get(keyword)
    except _damage():
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
