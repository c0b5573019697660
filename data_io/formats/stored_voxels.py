"""Voxels as NRRD and MetaImage store them: in one file or several, raw or encoded, in slabs from the disk.

Sizes are compared with the files before memory is taken, and every voxel that is returned was in a file.
"""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

import numpy as np

from pneumoseg.data_io.console import log
from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.detached_voxels import size_of
from pneumoseg.data_io.storage.compression import DEFLATE_MOST

CHUNK_BYTES = 1 << 20
LONGEST_WORD = 64
FROM_THE_END = -1
MOST_SKIPPED = 1 << 62
GZIP_MAGIC = b"\x1f\x8b"
BLANKS = bytes.maketrans(b",\t\n\v\f\r", b" " * 6)
MOST_PER_BYTE = {"raw": 1, "deflate": DEFLATE_MOST, "hex": 0.5}


@dataclass(frozen=True)
class StoredVoxels:
    """`count` voxels of `dtype` (with its byte order) that the header `path` has in `files`, the same number in each.

    `start`: bytes of each file before its voxels. Then `skip_lines`, and `skip_bytes` as the encoding gives them (of
    deflate, bytes after decoding); FROM_THE_END: the voxels are the last bytes of a raw file.
    """

    path: Path
    files: tuple[Path, ...]
    dtype: np.dtype
    count: int
    encoding: Literal["raw", "deflate", "hex", "text"] = "raw"
    start: int = 0
    skip_lines: int = 0
    skip_bytes: int = 0

    @property
    def values_per_file(self) -> int:
        """How many voxels each file must hold."""
        return self.count // len(self.files)

    def check(self) -> None:
        """Raises InputError where the files are too few, too short or no regular files. Reads no voxel."""
        if not self.files or self.count % len(self.files):
            raise InputError(
                f"{self.path}: the files must share {self.count} voxels evenly, found {len(self.files)} files; "
                "correct the list of data files"
            )
        for file in self.files:
            left = max(0, size_of(file, self.path) - self.start)
            if self.encoding == "raw":
                left -= max(0, self.skip_bytes)
            if self.encoding == "text":
                needed, most, unit = self.values_per_file, (left + 1) // 2, "numbers"
            else:
                needed, most = self.values_per_file * self.dtype.itemsize, int(left * MOST_PER_BYTE[self.encoding])
                unit = "bytes"
            if needed > most:
                raise self._short(file, f"{needed} {unit} of voxels, the file holds at most {max(0, most)}")

    def slabs(self, values: int) -> Iterator[np.ndarray]:
        """All voxels in order, `values` at a time (the last array may be shorter), as native 1D arrays.

        Raises InputError as `check`, and where a file turns out to be short or damaged.
        """
        self.check()
        size = values * self.dtype.itemsize
        waiting = bytearray()
        for chunk in self._chunks():
            waiting += chunk
            while len(waiting) >= size:
                yield self._array(waiting[:size])
                del waiting[:size]
        if waiting:
            yield self._array(waiting)

    def _array(self, content: bytearray) -> np.ndarray:
        return np.frombuffer(content, self.dtype).astype(self.dtype.newbyteorder("="), copy=False)

    def _chunks(self) -> Iterator[bytes]:
        """The bytes of all voxels; each file is asked for more than its last: only there are checksums compared."""
        for file in self.files:
            missing = self.values_per_file * self.dtype.itemsize
            for chunk in self._bytes(file):
                yield chunk[:missing]
                if len(chunk) > missing:
                    log.warning("%s: more bytes than the header declares, left out; is it the right header?", file)
                    missing = 0
                    break
                missing -= len(chunk)
            if missing:
                raise self._short(file, f"{missing} bytes of voxels are missing")

    def _bytes(self, file: Path) -> Iterator[bytes]:
        """The bytes of one file's voxels and of what follows, in chunks that are not empty."""
        with open(file, "rb") as opened:
            opened.seek(self.start)
            try:
                for _ in range(self.skip_lines):
                    _skip_line(opened)
                if self.skip_bytes == FROM_THE_END:
                    opened.seek(size_of(file, self.path) - self.values_per_file * self.dtype.itemsize)
                elif self.encoding != "deflate":
                    opened.seek(self.skip_bytes, 1)
                match self.encoding:
                    case "raw":
                        yield from _pieces(opened)
                    case "deflate":
                        yield from _after(self.skip_bytes, _inflated(opened))
                    case "hex":
                        yield from _from_hex(opened)
                    case "text":
                        yield from _from_text(opened, self.dtype)
            except (zlib.error, ValueError, OverflowError, EOFError) as error:
                raise self._short(file, str(error)) from error

    def _short(self, file: Path, reason: str) -> InputError:
        name = "" if file == self.path else f" {file.name}"
        return InputError(
            f"{self.path}: the file{name} is truncated or its header damaged: {reason}; copy or download it again"
        )


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    while piece := file.read(CHUNK_BYTES):
        yield piece


def _skip_line(file: BinaryIO) -> None:
    while not (part := file.readline(CHUNK_BYTES)).endswith(b"\n"):
        if not part:
            raise EOFError("there are fewer lines than the header leaves out")


def _after(count: int, chunks: Iterator[bytes]) -> Iterator[bytes]:
    for chunk in chunks:
        if chunk[count:]:
            yield chunk[count:]
        count -= min(count, len(chunk))


def _inflated(file: BinaryIO) -> Iterator[bytes]:
    """Zlib or gzip, one member or several; bytes after the last member are skipped."""
    either = zlib.MAX_WBITS | 32
    stream = zlib.decompressobj(either)
    begun = b""  # of the next member, where a piece ends within its magic number
    for piece in _pieces(file):
        left, begun = begun + piece, b""
        while left:
            if stream.eof:
                if left == GZIP_MAGIC[:1]:
                    begun = left
                    break
                if not left.startswith(GZIP_MAGIC):
                    return
                stream = zlib.decompressobj(either)
            if content := stream.decompress(left, CHUNK_BYTES):
                yield content
            left = stream.unconsumed_tail or stream.unused_data
    while content := stream.decompress(stream.unconsumed_tail, CHUNK_BYTES):
        yield content
    if not stream.eof:
        raise EOFError("the compressed voxels end too early")


def _from_hex(file: BinaryIO) -> Iterator[bytes]:
    digits = b""
    for piece in _pieces(file):
        digits += b"".join(piece.split())
        even = len(digits) // 2 * 2
        if even:
            yield bytes.fromhex(digits[:even].decode("ascii"))
        digits = digits[even:]


def _from_text(file: BinaryIO, dtype: np.dtype) -> Iterator[bytes]:
    """Numbers between blanks and commas, as bytes of `dtype`."""
    begun = b""
    for piece in _pieces(file):
        *words, begun = (begun + piece.translate(BLANKS)).split(b" ")
        if values := _numbers(words, dtype):
            yield values
        if len(begun) > LONGEST_WORD:
            raise ValueError("numbers as text were expected, found something else")
    if values := _numbers([begun], dtype):
        yield values


def _numbers(words: list[bytes], dtype: np.dtype) -> bytes:
    words = [word for word in words if word]
    if any(len(word) > LONGEST_WORD for word in words):
        raise ValueError("numbers as text were expected, found something else")
    convert = float if dtype.kind == "f" else int
    return np.array([convert(word) for word in words], dtype).tobytes() if words else b""
