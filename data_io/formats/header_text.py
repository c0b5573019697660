"""The fields of a NRRD or MetaImage header, read line by line within limits, and their numbers.

Text beyond the limits, and values that are not allowed, raise InputError.
"""

import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from pneumoseg.data_io.errors import InputError

HEADER_BYTES = 1 << 22  # of all lines together: thousands of files can be listed, thousands of segments be named
LINE_BYTES = 1 << 20
MOST_AXES = 4
MOST_MM = 1e9
MOST_CHARACTERS_SHOWN = 60


def unreadable(path: Path, reason: str) -> InputError:
    """The error for a header that cannot be understood."""
    return InputError(f"{path}: not a readable NRRD or MetaImage file ({reason}); copy or export it again")


def header_lines(file: BinaryIO, path: Path) -> Iterator[str]:
    """The lines of `file` from where it stands, without their ends, as the header's reader asks for them."""
    total = 0
    while line := file.readline(LINE_BYTES + 1):
        total += len(line)
        if len(line) > LINE_BYTES or total > HEADER_BYTES:
            raise unreadable(
                path, f"lines of at most {LINE_BYTES} and headers of at most {HEADER_BYTES} bytes are read"
            )
        if b"\0" in line:
            raise unreadable(path, "the header is no text")
        yield os.fsdecode(line).rstrip("\r\n")


def shown(text: str) -> str:
    """A value from a header for a message: quoted, and shortened where it is long."""
    return repr(text if len(text) <= MOST_CHARACTERS_SHOWN else f"{text[:MOST_CHARACTERS_SHOWN]}...")


@dataclass(frozen=True)
class HeaderText:
    """The parsed text of one header.

    `fields`: values by name, in small letters without blanks. `data_file`: the value of the field that names the files
    of the voxels; None where the voxels follow the header. `listed`: the lines after that field, where it announces a
    list of files. `end_byte`: the length of the header in bytes. `pairs`: key/value pairs (NRRD alone).
    """

    path: Path
    fields: Mapping[str, str]
    data_file: str | None
    listed: tuple[str, ...]
    end_byte: int
    pairs: Mapping[str, str] = field(default_factory=dict)

    def value(self, name: str, default: str | None = None) -> str:
        """The text of the field `name`. Raises InputError where it is missing and there is no default."""
        text = self.fields.get(field_key(name), default)
        if text is None:
            raise unreadable(self.path, f"the header has no {name}")
        return text

    def integer(self, name: str, default: str | None = None, *, least: int, most: int | None = None) -> int:
        """One whole number, at least `least` and at most `most`."""
        return integer(self.value(name, default), name, self.path, least=least, most=most)

    def sizes(self, name: str, axes: int) -> tuple[int, ...]:
        """One number of voxels, at least 1, for each of `axes` axes."""
        text = self.value(name)
        words = text.split()
        if len(words) != axes:
            raise unreadable(self.path, f"{name} must give {axes} numbers, found {shown(text)}")
        return tuple(integer(word, name, self.path, least=1) for word in words)

    def millimetres(self, name: str, count: int, default: str | None = None) -> tuple[float, ...]:
        """`count` finite numbers, at most MOST_MM in size."""
        return millimetres(self.value(name, default), count, name, path=self.path)


def field_key(name: str) -> str:
    """The name of a field as the key in `HeaderText.fields`: "space directions" is spacedirections."""
    return name.replace(" ", "").lower()


def integer(text: str, name: str, path: Path, *, least: int, most: int | None = None) -> int:
    """One whole number, at least `least` and at most `most`."""
    limits = f"at least {least}" if most is None else f"{least}..{most}"
    try:
        if not least <= int(text) <= (most if most is not None else int(text)):
            raise ValueError
    except ValueError:
        raise unreadable(path, f"{name} must be a whole number, {limits}, found {shown(text)}") from None
    return int(text)


def millimetres(text: str, count: int, name: str, *, path: Path) -> tuple[float, ...]:
    """`count` finite numbers, at most MOST_MM in size."""
    try:
        values = tuple(map(float, text.split()))
        if len(values) != count or not all(math.isfinite(value) and abs(value) <= MOST_MM for value in values):
            raise ValueError
    except ValueError:
        raise unreadable(path, f"{name} must be {count} finite numbers, found {shown(text)}") from None
    return values
