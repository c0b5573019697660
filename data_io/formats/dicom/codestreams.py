"""Compressed DICOM frames by their own first bytes, checked so that a decoder is given only what it can survive."""

import struct

JPEG_START, JPEG_2000_START = b"\xff\xd8\xff", b"\xff\x4f\xff\x51"
IMAGE_END = b"\xff\xd9"
FRAME_HEADERS = {0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF, 0xF7}
RLE_HEADER_BYTES = 64


def frame_size(frame: bytes, rle: bool) -> tuple[int, int, int] | None:
    """Rows, columns and values per pixel that a JPEG, JPEG-LS or JPEG 2000 frame gives of itself; of an RLE frame,
    which gives no size, (0, 0, segments). None where the frame does not begin and end as one of these."""
    try:
        if rle:
            return _rle(frame)
        if IMAGE_END not in frame[-16:]:  # bytes may follow it to make the length even
            return None
        start = frame.find(JPEG_2000_START, 0, 512)
        if frame[:3] != JPEG_START and start >= 0:
            return _jpeg_2000(frame[start:])
        return _jpeg(frame)
    except struct.error:  # the frame ends within its header
        return None


def _rle(frame: bytes) -> tuple[int, int, int] | None:
    count, *starts = struct.unpack_from("<16L", frame)
    starts = starts[: min(count, 15)]
    fits = starts == sorted(set(starts)) and starts[0] >= RLE_HEADER_BYTES and starts[-1] < len(frame) if starts else 0
    return (0, 0, count) if fits and count <= 15 else None


def _jpeg(frame: bytes) -> tuple[int, int, int] | None:
    at = 2 if frame[:3] == JPEG_START else len(frame)
    while at < len(frame):
        prefix, marker, length = struct.unpack_from(">BBH", frame, at)
        if prefix != 0xFF:
            return None
        if marker == 0xFF:  # bytes that fill up before a marker
            at += 1
            continue
        if marker in FRAME_HEADERS:
            _, rows, columns, values = struct.unpack_from(">BHHB", frame, at + 4)
            return rows, columns, values
        at += 2 + length
    return None


def _jpeg_2000(frame: bytes) -> tuple[int, int, int] | None:
    right, bottom, left, top, *tile, values = struct.unpack_from(">8IH", frame, 8)
    if not (left < right and top < bottom and tile[0] and tile[1]):
        return None
    steps = struct.unpack_from(f"{3 * values}B", frame, 42)  # depth, then steps between columns and rows, of each
    return (bottom - top, right - left, values) if all(steps[1::3]) and all(steps[2::3]) else None
