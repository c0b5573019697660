"""The element PixelData of a file, from its tag to its last byte, in blocks: the pixels are never interpreted."""

import struct
from collections.abc import Iterator
from typing import BinaryIO

PIXELS = (0x7FE0, 0x0010)
FLOATING = ((0x7FE0, 0x0008), (0x7FE0, 0x0009))
ITEM, END = (0xFFFE, 0xE000), (0xFFFE, 0xE0DD)
UNDEFINED_LENGTH = 0xFFFFFFFF
BLOCK_BYTES = 1 << 20


class CutError(Exception):
    """The file ends within its pixels."""


def pixel_length(stream: BinaryIO, encoding: tuple[bool, bool]) -> int | None:
    """The length of the element at which `stream` stands, which stays where it is: -1 where it is compressed
    (undefined), None where it is no pixel data. `encoding`: implicit types, little endian."""
    at = stream.tell()
    head = _head(stream, encoding)
    stream.seek(at)
    if head is None or head[0] not in (PIXELS, *FLOATING):
        return None
    return -1 if head[1] == UNDEFINED_LENGTH else head[1]


def pixel_blocks(stream: BinaryIO, encoding: tuple[bool, bool]) -> Iterator[bytes]:
    """The element at which `stream` stands, as it is. What follows it in the file is left out. Raises CutError."""
    at = stream.tell()
    head = _head(stream, encoding)
    if head is None:
        raise CutError
    _, length, size = head
    stream.seek(at)
    yield _exactly(stream, size)
    if length != UNDEFINED_LENGTH:
        yield from _blocks(stream, length)
        return
    order = "<" if encoding[1] else ">"
    while True:
        item = _exactly(stream, 8)
        group, element, length = struct.unpack(f"{order}HHL", item)
        if (group, element) not in (ITEM, END) or length == UNDEFINED_LENGTH:
            raise CutError
        yield item
        if (group, element) == END:
            return
        yield from _blocks(stream, length)


def _head(stream: BinaryIO, encoding: tuple[bool, bool]) -> tuple[tuple[int, int], int, int] | None:
    """Tag, length, and how many bytes these take."""
    implicit, little = encoding
    order = "<" if little else ">"
    size = 8 if implicit else 12
    content = stream.read(size)
    if len(content) < size:
        return None
    group, element = struct.unpack_from(f"{order}HH", content)
    (length,) = struct.unpack_from(f"{order}L", content, size - 4)
    return (group, element), length, size


def _blocks(stream: BinaryIO, length: int) -> Iterator[bytes]:
    while length:
        block = _exactly(stream, min(length, BLOCK_BYTES))
        length -= len(block)
        yield block


def _exactly(stream: BinaryIO, count: int) -> bytes:
    content = stream.read(count)
    if len(content) < count:
        raise CutError
    return content
