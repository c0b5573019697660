"""The pixels of DICOM slices as HU: sizes checked against the files first, then decoded slice by slice.

Uncompressed pixels are read as they lie in the file. Compressed ones are decoded by GDCM (in SimpleITK), from a copy
that has the pixels and the few values that describe them: the rest of a header cannot change or break the decoding.
"""

from collections.abc import Sequence
from functools import cache
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np

from pneumoseg.data_io.console import log
from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.dicom.codestreams import frame_size
from pneumoseg.data_io.formats.dicom.deflated import data_stream
from pneumoseg.data_io.formats.dicom.recognition import HEAD_BYTES
from pneumoseg.data_io.formats.dicom.slices import Pixels, Slice
from pneumoseg.data_io.volumes.hounsfield import AIR_HU

if TYPE_CHECKING:
    from pydicom.uid import UID

UNCOMPRESSED = ("", "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.2")
RLE = "1.2.840.10008.1.2.5"
ENCAPSULATED = b"\xe0\x7f\x10\x00OB\0\0\xff\xff\xff\xff"  # PixelData of undefined length
ITEMS_END = b"\xfe\xff\xdd\xe0\0\0\0\0"
COMPRESSED_MOST = 1000  # what a byte of a compressed CT slice can stand for at most; real ones stay below 20
ALWAYS_ALLOWED_BYTES = 64 * 2**20


def check_pixels(path: str | Path, slices: Sequence[Slice]) -> None:
    """Checks, from what was read of the headers, that each file holds the pixels that its header promises.

    `path` is for warnings. Raises InputError, before any pixel is read, for pixels that are missing, too few, of an
    unknown data type or transfer syntax, for a lookup table in place of RescaleSlope and RescaleIntercept, and where
    compressed slices would need far more memory than files of their size can hold.
    """
    longer = [one.file.name for one in slices if _check_slice(one)]
    if longer:
        log.warning("%s: bytes behind the pixels of %d slices are not read, as in %s", path, len(longer), longer[0])
    promised = sum(_bytes_of(one) for one in slices)
    available = sum(one.pixels.available for one in slices if one.pixels)
    if promised > max(ALWAYS_ALLOWED_BYTES, COMPRESSED_MOST * available):
        largest = max(slices, key=_bytes_of)
        raise InputError(
            f"{largest.file}: the header is damaged: {largest.columns} x {largest.rows} pixels in each of "
            f"{len(slices)} slices need {promised} bytes, all files together hold {available} compressed; export "
            "them again"
        )
    if unsigned := [one.file.name for one in slices if one.pixels and one.pixels.signed is None]:
        log.warning("%s: no PixelRepresentation in %d slices, taken as unsigned", path, len(unsigned))
    if misfits := [one for one in slices if one.pixels and not _names_stored_bits(one.pixels)]:
        log.warning("%s: HighBit does not fit BitsStored in %d slices; values are taken as stored", path, len(misfits))
    if inverse := [one for one in slices if one.photometric == "MONOCHROME1"]:
        log.warning(
            "%s: MONOCHROME1 (shown with bright air) in %d slices; HU are stored values x RescaleSlope + "
            "RescaleIntercept, as DICOM defines",
            path,
            len(inverse),
        )


def hounsfield(one: Slice) -> np.ndarray:
    """The slice (columns, rows) in HU, float64, air where PixelPaddingValue fills a corner.

    Raises InputError where the pixels cannot be read or decoded.
    """
    if one.pixels is None:
        raise InputError(f"{one.file}: {_MISSING}")
    stored = _uncompressed(one, one.pixels) if one.pixels.length is not None else _decompressed(one, one.pixels)
    slope, intercept = 1.0 if one.slope is None else one.slope, one.intercept or 0.0
    values = stored.T * slope + intercept
    if one.padding_hu is not None and one.padding_hu > AIR_HU:
        # A padding value that fills no corner is a wrong entry in the header: the value occurs in the body as well.
        corners = values[:: one.columns - 1 or 1, :: one.rows - 1 or 1]
        if (corners == one.padding_hu).any():
            # Values that cannot be negative are no HU yet, and have their air at 0.
            shifted = stored.dtype.kind == "i" or intercept < 0 or not slope.is_integer()
            values[values == one.padding_hu] = AIR_HU if shifted else 0
    return values


_MISSING = "the file has no PixelData; export it again with its pixels"


def _check_slice(one: Slice) -> bool:
    """Whether there are bytes behind the pixels. Raises InputError where the pixels are not as they must be."""
    pixels = one.pixels
    if pixels is None:
        raise InputError(f"{one.file}: {_MISSING}")
    if one.has_table and one.slope is None:
        raise InputError(
            f"{one.file}: HU by RescaleSlope and RescaleIntercept are needed, found a Modality LUT Sequence; convert it"
        )
    if pixels.samples != 1 or pixels.bits_allocated not in (8, 16, 32):
        raise InputError(
            f"{one.file}: pixels must be one number of 8, 16 or 32 bits each, found {pixels.samples} of "
            f"{pixels.bits_allocated} bits; export the original series"
        )
    if not 0 < pixels.bits_stored <= pixels.bits_allocated:
        raise InputError(
            f"{one.file}: BitsStored must be in 1..BitsAllocated ({pixels.bits_allocated}), found {pixels.bits_stored}"
        )
    if pixels.length is None and pixels.high_bit != pixels.bits_stored - 1:
        raise InputError(
            f"{one.file}: of compressed pixels HighBit must be BitsStored - 1, found {pixels.high_bit} and "
            f"{pixels.bits_stored}; export the series uncompressed"
        )
    if pixels.syntax not in UNCOMPRESSED if pixels.length is not None else not _is_compressed(pixels.syntax):
        kind = "compressed" if pixels.length is None else "uncompressed"
        raise InputError(
            f"{one.file}: the transfer syntax ({_name_of(pixels.syntax)}) does not fit the pixels, which are {kind}; "
            "export it again"
        )
    if pixels.length is None:
        return False
    needed, available = _bytes_of(one), min(pixels.length, pixels.available)
    if available < needed:
        raise InputError(
            f"{one.file}: the file is truncated or its header damaged: {one.columns} x {one.rows} pixels of "
            f"{pixels.bits_allocated} bits are {needed} bytes, found {available} ({_name_of(pixels.syntax)}); copy or "
            "export it again"
        )
    return pixels.length > needed + needed % 2


def _bytes_of(one: Slice) -> int:
    """The bytes of the decoded slice."""
    return one.rows * one.columns * (one.pixels.bits_allocated // 8) if one.pixels else 0


def _uncompressed(one: Slice, pixels: Pixels) -> np.ndarray:
    """The stored values, (rows, columns)."""
    needed = _bytes_of(one)
    wide = pixels.words and pixels.bits_allocated == 8 and not pixels.little_endian  # bytes swapped in pairs
    content = _content(one, pixels, needed + needed % 2 if wide else needed)
    if wide:
        content = np.frombuffer(content, ">u2").astype("<u2").tobytes()[:needed]
    order = "<" if pixels.little_endian else ">"
    size = pixels.bits_allocated // 8
    values = np.frombuffer(content, f"{order}u{size}").astype(f"u{size}").reshape(one.rows, one.columns)
    if not _names_stored_bits(pixels):
        return values.view(f"i{size}" if pixels.signed else f"u{size}")
    # Bits above and below those that are stored may hold anything, such as an overlay; the sign is that of the highest.
    above = pixels.bits_allocated - 1 - pixels.high_bit
    unused = pixels.bits_allocated - pixels.bits_stored
    return (values << above).view(f"i{size}" if pixels.signed else f"u{size}") >> unused


def _names_stored_bits(pixels: Pixels) -> bool:
    """Whether HighBit leaves room for the stored bits within those that are allocated."""
    return pixels.bits_stored - 1 <= pixels.high_bit < pixels.bits_allocated


def _decompressed(one: Slice, pixels: Pixels) -> np.ndarray:
    """The stored values, (rows, columns), as decoded by GDCM."""
    import SimpleITK as sitk

    with TemporaryDirectory() as folder:
        copy = Path(folder, "slice.dcm")
        bits = pixels.bits_allocated, pixels.bits_stored, pixels.high_bit
        header = _header_alone(one.rows, one.columns, bits, bool(pixels.signed), pixels.syntax)
        items = _fragments(one, pixels, _content(one, pixels, pixels.available))
        copy.write_bytes(header + ENCAPSULATED + items + ITEMS_END)
        reader = sitk.ImageFileReader()
        reader.SetImageIO("GDCMImageIO")
        reader.SetFileName(str(copy))
        try:
            values = sitk.GetArrayFromImage(reader.Execute())
        except RuntimeError as error:
            raise InputError(_undecodable(one, pixels)) from error
    if values.shape != (1, one.rows, one.columns):
        raise InputError(
            f"{one.file}: the header promises {one.columns} x {one.rows} grey pixels, found an array of shape "
            f"{values.shape[::-1]}; export the file again"
        )
    return values[0]


@cache
def _header_alone(rows: int, columns: int, bits: tuple[int, int, int], signed: bool, syntax: str) -> bytes:
    """A DICOM file up to its pixels. `bits`: BitsAllocated, BitsStored, HighBit."""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import UID, CTImageStorage

    alone = Dataset()
    alone.file_meta = FileMetaDataset()
    alone.file_meta.TransferSyntaxUID = _uid(syntax)
    alone.file_meta.MediaStorageSOPClassUID = alone.SOPClassUID = CTImageStorage
    alone.file_meta.MediaStorageSOPInstanceUID = alone.SOPInstanceUID = UID("2.25.1")
    alone.SamplesPerPixel, alone.PhotometricInterpretation = 1, "MONOCHROME2"
    alone.Rows, alone.Columns = rows, columns
    alone.BitsAllocated, alone.BitsStored, alone.HighBit = bits
    alone.PixelRepresentation = int(signed)
    content = BytesIO()
    alone.save_as(content, enforce_file_format=True)
    return content.getvalue()


def _content(one: Slice, pixels: Pixels, size: int) -> bytes:
    """`size` bytes of the pixels' value, at most."""
    try:
        with open(one.file, "rb") as file:
            stream = data_stream(one.file, file, file.read(HEAD_BYTES))
            stream.seek(pixels.start)
            content = stream.read(size)
    except OSError as error:
        raise InputError(f"{one.file}: the file cannot be read ({error})") from error
    if len(content) < size:
        raise InputError(f"{one.file}: the file became shorter while it was read; copy it again")
    return content


def _fragments(one: Slice, pixels: Pixels, content: bytes) -> bytes:
    """Of what begins with the items of encapsulated pixels, these items alone. Raises InputError where they are cut or
    do not begin as a compressed slice of the header's size does."""
    at, items = 0, []
    while content[at : at + 4] == b"\xfe\xff\x00\xe0":
        start, at = at + 8, at + 8 + int.from_bytes(content[at + 4 : at + 8], "little")
        items.append(content[start:at])
    rle = pixels.syntax == RLE
    size = frame_size(b"".join(items[1:]), rle) if at <= len(content) else None  # the first item is a table of offsets
    if size is None:
        raise InputError(_undecodable(one, pixels))
    promised = (0, 0, pixels.bits_allocated // 8) if rle else (one.rows, one.columns, 1)
    if size != promised:
        kind = "rows, columns and " + ("bytes" if rle else "values") + " per pixel"
        raise InputError(
            f"{one.file}: the header promises {promised} {kind}, the compressed slice has {size}; export the file again"
        )
    return content[:at]


def _undecodable(one: Slice, pixels: Pixels) -> str:
    return (
        f"{one.file}: the pixels cannot be decoded: the file is truncated or damaged, or its compression "
        f"({_name_of(pixels.syntax)}) is not supported; copy or export it again"
    )


def _is_compressed(syntax: str) -> bool:

    return _uid(syntax).is_transfer_syntax and not _uid(syntax).is_private and _uid(syntax).is_compressed


def _name_of(syntax: str) -> str:

    return _uid(syntax).name if syntax else "none given"


def _uid(syntax: str) -> "UID":
    """The UID of a transfer syntax, which a damaged header may give in any characters."""
    from pydicom.config import IGNORE
    from pydicom.uid import UID

    return UID(syntax, IGNORE)
