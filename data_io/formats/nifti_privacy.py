"""NIfTI files without what names a person: header text and extensions emptied, geometry and voxels as they are."""

import gzip
import math
import zlib
from pathlib import Path
from typing import BinaryIO

import nibabel as nib
import numpy as np
from nibabel.spatialimages import HeaderDataError

GZIP_START = b"\x1f\x8b"
FREE_TEXT = ("descrip", "aux_file", "db_name", "intent_name", "data_type")
UNUSED = ("extents", "session_error", "regular", "unused_str")
"""Fields of Analyze and NIfTI headers that no reader needs, and that may hold anything."""

MAGICS = {348: b"n+1", 540: b"n+2"}
BLOCK_BYTES = 1 << 20
COMPRESSION = 6
MOST_BLOCKS_BEHIND = 64


class NotNiftiError(Exception):
    """A file that is no single NIfTI file, or is damaged."""


def write_without_identity(source: BinaryIO, target: Path, *, zipped: bool) -> None:
    """Writes the NIfTI file `source` (.nii, or `zipped` as .nii.gz) to `target` with a header that names no one.

    Text fields, unused fields, extensions and bytes behind the voxels are left out; the bytes of the voxels, data type,
    scaling, geometry and codes stay as they are. The gzip header holds neither name nor time. Raises NotNiftiError.
    """
    try:
        with gzip.GzipFile(fileobj=source, mode="rb") if zipped else source as file:
            header = _header(file)
            offset = int(header["vox_offset"])
            least = int(header["sizeof_hdr"]) + 4
            if offset < least:
                raise NotNiftiError
            _skip(file, offset - int(header["sizeof_hdr"]))
            sizes = [int(size) for size in header.get_data_shape()]
            if len(sizes) != header["dim"][0] or min(sizes, default=0) < 1:
                raise NotNiftiError
            count = math.prod(sizes) * header.get_data_dtype().itemsize
            cleaned = _cleaned(header, least + (-least) % 16)
            with open(target, "wb") as plain:
                if not zipped:
                    _write(file, plain, cleaned, count)
                    return
                with gzip.GzipFile("", "wb", COMPRESSION, plain, mtime=0) as packed:
                    _write(file, packed, cleaned, count)
    except (EOFError, KeyError, OverflowError, ValueError, zlib.error, gzip.BadGzipFile, HeaderDataError) as error:
        raise NotNiftiError from error


def _header(file) -> nib.Nifti1Header:
    start = file.read(4)
    sizes = {np.frombuffer(start, order + "i4")[0]: order for order in "<>"} if len(start) == 4 else {}
    size = next((int(one) for one in MAGICS if one in sizes), 0)
    if not size:
        raise NotNiftiError
    content = start + _exactly(file, size - 4)
    header = (nib.Nifti1Header if size == 348 else nib.Nifti2Header)(content, sizes[size], check=False)
    if not bytes(header["magic"]).startswith(MAGICS[size]):
        raise NotNiftiError
    return header


def _cleaned(header: nib.Nifti1Header, offset: int) -> bytes:
    """The header's bytes, up to the voxels at `offset`."""
    fields = np.array(header.structarr)
    for name in (*FREE_TEXT, *UNUSED):
        if name in (fields.dtype.names or ()):
            fields[name] = np.zeros((), fields.dtype[name])
    fields["vox_offset"] = offset
    content = fields.tobytes()
    return content + bytes(offset - len(content))


def _write(file, target, header: bytes, count: int) -> None:
    target.write(header)
    while count:
        block = _exactly(file, min(count, BLOCK_BYTES))
        target.write(block)
        count -= len(block)
    _check_end(file)


def _check_end(file) -> None:
    """Reads what follows the voxels, within limits: at the end gzip compares the checksum. What is no gzip behind it is
    ignored."""
    try:
        for _ in range(MOST_BLOCKS_BEHIND):
            if not file.read(BLOCK_BYTES):
                return
    except gzip.BadGzipFile as error:
        if not str(error).startswith("Not a gzipped file"):
            raise


def _skip(file, count: int) -> None:
    while count:
        count -= len(_exactly(file, min(count, BLOCK_BYTES)))


def _exactly(file, count: int) -> bytes:
    content = file.read(count)
    if len(content) < count:
        raise NotNiftiError
    return content
