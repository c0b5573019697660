"""Unique identifiers of DICOM (UIDs): whether one is valid, and new ones that depend on content alone."""

import hashlib
import re
import uuid

LONGEST = 64
COMPONENTS = re.compile(r"[0-2](\.(0|[1-9][0-9]*))+", re.ASCII)


def is_valid_uid(text: str) -> bool:
    """Whether `text` is a UID by PS3.5 section 9.1: at most 64 characters, numbers without leading zeros, with points.

    >>> is_valid_uid("1.2.840.10008.5.1.4.1.1.2"), is_valid_uid("1.02.3"), is_valid_uid("")
    (True, False, False)
    """
    return len(text) <= LONGEST and COMPONENTS.fullmatch(text) is not None


def uid_from(*parts: str | bytes) -> str:
    """A UID under 2.25 (PS3.5 B.2, from a UUID of version 8) that depends on `parts`, their order and their borders.

    >>> uid_from("study", "1") == uid_from("study", "1"), uid_from("study", "1") == uid_from("study1")
    (True, False)
    """
    number = bytearray(hashlib.sha256(bordered(*parts)).digest()[:16])
    number[6], number[8] = number[6] & 0x0F | 0x80, number[8] & 0x3F | 0x80  # the version and variant bits of RFC 9562
    return f"2.25.{uuid.UUID(bytes=bytes(number)).int}"


def bordered(*parts: str | bytes) -> bytes:
    """Parts as one content to be hashed, each with its length, so that their borders count.

    >>> bordered("a", "b") == bordered("ab")
    False
    """
    contents = [part.encode() if isinstance(part, str) else part for part in parts]
    return b"".join(len(content).to_bytes(8, "little") + content for content in contents)
