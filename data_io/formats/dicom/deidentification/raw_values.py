"""Values of a data set as its bytes hold them: pydicom would convert them, and with that lose the bytes."""

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydicom.dataset import Dataset


def tags_of(dataset: "Dataset") -> list[int]:
    """The tags, ordered; pydicom's own iteration converts every value."""
    return sorted(dataset.keys())


def read_text(dataset: "Dataset", tag: int) -> str:
    """The bytes of a value as Latin-1, whatever its character set, without padding; "" where there is none."""
    return read_bytes(dataset, tag).strip(b" \0").decode("latin-1")


def read_bytes(dataset: "Dataset", tag: int) -> bytes:
    """The bytes of a value; none where the attribute is missing, empty or a sequence.

    pydicom converts PixelRepresentation by itself, which tells signed values in sequences from unsigned ones.
    """
    found = dataset.get_item(tag) if tag in dataset else None
    if found is not None and not found.is_raw and found.VR == "US" and isinstance(found.value, int):
        _, little = dataset.original_encoding
        return struct.pack("<H" if little else ">H", found.value)
    value = found.value if found is not None and found.is_raw else None
    return value if isinstance(value, bytes) else b""


def type_of(dataset: "Dataset", tag: int) -> str | None:
    """The two letters of an attribute's type; the dictionary's where the file declares none, or UN."""
    from pydicom.datadict import dictionary_has_tag, dictionary_VR

    declared = dataset.get_item(tag).VR
    if declared not in (None, "UN"):
        return declared
    return dictionary_VR(tag) if dictionary_has_tag(tag) else None


def read_short(dataset: "Dataset", tag: int, little: bool) -> int:
    """An unsigned number of 16 bits (US); 0 where there is none."""
    value = read_bytes(dataset, tag)
    return struct.unpack_from("<H" if little else ">H", value)[0] if len(value) >= 2 else 0
