"""DICOM files whose data set is compressed as a whole (Deflated Explicit VR Little Endian, PS3.5 A.5)."""

import struct
import zlib
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from pneumoseg.data_io.errors import InputError

DEFLATED, EXPLICIT = b"1.2.840.10008.1.2.1.99", b"1.2.840.10008.1.2.1"
MOST_INFLATED_BYTES = 64 * 2**20


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
