"""Whether a file is DICOM, by its name or by its first bytes."""

import struct
from pathlib import Path

SUFFIXES = (".dcm", ".dicom", ".ima")
INDEX_NAME = "DICOMDIR"  # lists the files of a medium, holds no image
INDEX_CLASS = b"\x02\x00\x02\x00UI\x14\x001.2.840.10008.1.3.10"  # MediaStorageSOPClassUID of such a list
UID_ROOT = b"1.2.840.10008."  # begins every UID of the standard itself, such as that of the class "CT Image Storage"
SEGMENTATION_CLASSES = (b"1.2.840.10008.5.1.4.1.1.66.4", b"1.2.840.10008.5.1.4.1.1.66.7")
"""UIDs of Segmentation Storage and Label Map Segmentation Storage (PS3.4 B.5)."""
HEAD_BYTES = 1024
VALUE_TYPES = b"AE AS AT CS DA DS DT IS LO LT OB OW PN SH SQ ST TM UI UL UN US UT".split()
LONG_LENGTHS = (b"OB", b"OW", b"SQ", b"UN", b"UT")  # two bytes are skipped, then the length takes four


def named_dicom(path: Path) -> bool:
    """Whether the file's name ends as those of DICOM files do."""
    return path.name.lower().endswith(SUFFIXES)


def starts_like_dicom(path: Path) -> bool:
    """Whether the file has the letters DICM at byte 128 or, without these, begins as a header does.

    The list of a medium's files (DICOMDIR, whatever its name) is not counted.
    """
    with open(path, "rb") as file:
        return is_head(file.read(HEAD_BYTES))


def is_segmentation(path: str | Path) -> bool:
    """Whether a file is a DICOM segmentation, by the class in its first bytes."""
    path = Path(path)
    if not path.is_file():
        return False
    with open(path, "rb") as file:
        head = file.read(HEAD_BYTES)
    return head[128:132] == b"DICM" and any(uid + b"\x02\x00" in head for uid in SEGMENTATION_CLASSES)


def is_head(head: bytes) -> bool:
    """Whether a file that begins with these HEAD_BYTES bytes is DICOM with an image, see `starts_like_dicom`."""
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
