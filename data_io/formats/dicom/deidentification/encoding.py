"""Attributes as bytes: a data set, and a whole file's beginning, written without any value being interpreted."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass

LONG_LENGTHS = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"})
ITEM = 0xFFFEE000
META_CLASS, META_INSTANCE, META_SYNTAX = 0x00020002, 0x00020003, 0x00020010
META_VERSION, META_IMPLEMENTATION, META_IMPLEMENTATION_NAME = 0x00020001, 0x00020012, 0x00020013
IMPLEMENTATION_UID = "2.25.271150439087221186402963527109216370801"
IMPLEMENTATION_NAME = "PNEUMOSEG"
EXPLICIT_LITTLE = (False, True)


@dataclass(frozen=True)
class Element:
    """An attribute: tag, two letters of its type, and its value; of a sequence (SQ), items of elements."""

    tag: int
    vr: str
    value: "bytes | list[list[Element]]"


def text_element(tag: int, vr: str, text: str) -> Element:
    """An attribute of ASCII text, of even length as the standard asks."""
    value = text.encode("ascii")
    return Element(tag, vr, value + (b"\0" if vr == "UI" else b" ") * (len(value) % 2))


def encoded(elements: Sequence[Element], encoding: tuple[bool, bool]) -> bytes:
    """The elements as bytes, in their order. `encoding`: whether types are implicit, and whether little endian."""
    implicit, little = encoding
    order = "<" if little else ">"
    parts = []
    for one in elements:
        value = one.value if isinstance(one.value, bytes) else _items(one.value, encoding, order)
        parts.append(struct.pack(f"{order}HH", one.tag >> 16, one.tag & 0xFFFF))
        if implicit:
            parts.append(struct.pack(f"{order}L", len(value)))
        elif one.vr in LONG_LENGTHS:
            parts.append(one.vr.encode("ascii") + struct.pack(f"{order}HL", 0, len(value)))
        else:
            parts.append(one.vr.encode("ascii") + struct.pack(f"{order}H", len(value)))
        parts.append(value)
    return b"".join(parts)


def file_start(sop_class: str, sop_instance: str, syntax: str) -> bytes:
    """The beginning of a DICOM file (PS3.10): an empty preamble and new file meta information."""
    meta = [
        Element(META_VERSION, "OB", b"\0\1"),
        text_element(META_CLASS, "UI", sop_class),
        text_element(META_INSTANCE, "UI", sop_instance),
        text_element(META_SYNTAX, "UI", syntax),
        text_element(META_IMPLEMENTATION, "UI", IMPLEMENTATION_UID),
        text_element(META_IMPLEMENTATION_NAME, "SH", IMPLEMENTATION_NAME),
    ]
    group = encoded(meta, EXPLICIT_LITTLE)
    length = Element(0x00020000, "UL", struct.pack("<L", len(group)))
    return bytes(128) + b"DICM" + encoded([length], EXPLICIT_LITTLE) + group


def _items(items: Sequence[Sequence[Element]], encoding: tuple[bool, bool], order: str) -> bytes:
    contents = [encoded(item, encoding) for item in items]
    head = struct.pack(f"{order}HH", ITEM >> 16, ITEM & 0xFFFF)
    return b"".join(head + struct.pack(f"{order}L", len(content)) + content for content in contents)
