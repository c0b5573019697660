"""PixelData copied as it is."""

import io
import struct

import pytest

from pneumoseg.data_io.formats.dicom.deidentification.pixel_stream import CutError, pixel_blocks, pixel_length

EXPLICIT = b"\xe0\x7f\x10\0OW\0\0"
ITEM, END = b"\xfe\xff\0\xe0", b"\xfe\xff\xdd\xe0\0\0\0\0"
COMPRESSED = EXPLICIT + b"\xff" * 4 + ITEM + struct.pack("<L", 0) + ITEM + struct.pack("<L", 4) + b"abcd" + END
LITTLE = (False, True)


@pytest.mark.parametrize(
    "content, encoding, length",
    [
        (EXPLICIT + struct.pack("<L", 4) + b"abcd", LITTLE, 4),
        (b"\xe0\x7f\x10\0" + struct.pack("<L", 4) + b"abcd", (True, True), 4),
        (b"\x7f\xe0\0\x10OW\0\0" + struct.pack(">L", 4) + b"abcd", (False, False), 4),
        (COMPRESSED, LITTLE, -1),
    ],
)
def test_the_element_alone_is_copied(content, encoding, length):
    stream = io.BytesIO(b"before" + content + b"behind")
    stream.seek(6)
    assert pixel_length(stream, encoding) == length
    assert b"".join(pixel_blocks(stream, encoding)) == content


@pytest.mark.parametrize("content", [b"", b"\x08\0\x18\0UI\0\0\0\0\0\0\0\0"])
def test_other_elements_are_no_pixels(content):
    assert pixel_length(io.BytesIO(content), LITTLE) is None


@pytest.mark.parametrize("content", [COMPRESSED[:-1], COMPRESSED[:-12], EXPLICIT + struct.pack("<L", 9) + b"abcd", b""])
def test_cut_pixels_are_refused(content):
    with pytest.raises(CutError):
        list(pixel_blocks(io.BytesIO(content), LITTLE))


def test_what_is_no_item_is_refused():
    with pytest.raises(CutError):
        list(pixel_blocks(io.BytesIO(EXPLICIT + b"\xff" * 4 + b"Zyxwvut^"), LITTLE))
