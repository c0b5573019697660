"""The values of a source that name its patient, and whether any is found in what was made of it.

Each value is looked for in the encoding of the source, in UTF-8, Latin-1 and UTF-16. Values of less than four
characters would be found anywhere, and so would numbers of less than eight digits: these are looked for in text.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

from pneumoseg.data_io.formats.dicom.deidentification.raw_values import read_bytes, tags_of, type_of

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

IDENTIFYING = frozenset(
    {
        *(0x00080050, 0x00080080, 0x00080081, 0x00080092, 0x00080094, 0x00081010),
        *(0x00100020, 0x00100021, 0x00100030, 0x00101000, 0x00101001, 0x00101005, 0x00101040, 0x00101060, 0x00101090),
        *(0x00102154, 0x00102155, 0x00181000, 0x00200010),
        *(0x00380010, 0x00380060, 0x00380300, 0x00380400, 0x00400009, 0x00401001, 0x00402016, 0x00402017),
    }
)
"""Attributes whose values are looked for, beside all names of persons (PN)."""

UIDS = frozenset({0x0020000D, 0x0020000E, 0x00080018})
SHORTEST = 4
UNMISTAKABLE_DIGITS = 8
DOTTED = re.compile(rb"[0-9.]+")
DIVIDERS = re.compile(r"[\^=\\]")
NO_ONE = frozenset({"anonymous", "anonymized", "anonymised", "unknown", "none", "removed", "patient", "null"})


@dataclass(frozen=True)
class Identities:
    """Patterns in small letters (bytes): `words`; numbers of few digits; numbers of many digits, and UIDs."""

    words: frozenset[bytes]
    short_numbers: frozenset[bytes]
    long_numbers: frozenset[bytes]

    def in_bytes(self, content: bytes) -> bool:
        """Whether a word or a number of many digits stands in `content`, in small letters or capitals."""
        lowered = content.lower()
        return any(word in lowered for word in self.words) or any(
            _stands(number, lowered) for number in self.long_numbers
        )

    def in_pixels(self, content: bytes) -> bool:
        """As `in_bytes`, for compressed pixels, in which short words stand by chance."""
        lowered = content.lower()
        return any(len(word) >= 8 and word in lowered for word in (*self.words, *self.long_numbers))

    def in_text(self, value: bytes) -> bool:
        """Whether a number stands in the value of a text attribute."""
        return any(_stands(number, value) for number in self.short_numbers)


def identities_of(dataset: "Dataset", *, with_uids: bool) -> Identities:
    """The values of a data set, at any depth, that name a person or what belongs to one. `with_uids`: those of study,
    series and image as well."""
    found = _patterns(frozenset(_values(dataset)))
    if not with_uids:
        return found
    uids = {uid for tag in UIDS if len(uid := read_bytes(dataset, tag).strip(b" \0").lower()) >= SHORTEST}
    numbers = {uid for uid in uids if DOTTED.fullmatch(uid)}
    return replace(found, words=found.words | (uids - numbers), long_numbers=found.long_numbers | numbers)


def _values(dataset: "Dataset") -> Iterator[tuple[bytes, tuple[str, ...]]]:
    """Values as bytes, and the names of their encodings in Python."""
    encodings = dataset.original_character_set or "ascii"
    named = (encodings,) if isinstance(encodings, str) else tuple(encodings)
    for tag in tags_of(dataset):
        if tag >> 16 & 1:
            continue
        kind = type_of(dataset, tag)
        if kind == "SQ":
            items = dataset[tag].value if dataset[tag].VR == "SQ" else ()
            for item in items or ():
                yield from _values(item)
        elif (kind == "PN" or tag in IDENTIFYING) and (value := read_bytes(dataset, tag)):
            yield value, named


@lru_cache(maxsize=256)
def _patterns(values: frozenset[tuple[bytes, tuple[str, ...]]]) -> Identities:
    from pydicom.charset import decode_bytes

    words: set[bytes] = set()
    short: set[bytes] = set()
    long: set[bytes] = set()
    for value, encodings in values:
        stripped = value.strip(b" \0")
        text = decode_bytes(stripped, list(encodings), {0x5C, 0x5E, 0x3D})
        for part in _parts(text):
            if part.isdecimal() and part.isascii():
                (long if len(part) >= UNMISTAKABLE_DIGITS else short).add(part.encode())
                words.update(part.encode(wide) for wide in ("utf-16-le", "utf-16-be"))
            else:
                words.update(_encoded(part, encodings))
        if not stripped.isdigit() and len(stripped) >= SHORTEST:
            words.update(part for part in re.split(rb"[\^=\\]", stripped) if len(part) >= SHORTEST)
    lowered = frozenset(word.lower() for word in words) - {name.encode() for name in NO_ONE}
    return Identities(lowered, frozenset(short), frozenset(long))


def _parts(text: str) -> set[str]:
    """The value, its components, and these in the usual orders of a name, as far as they are long enough."""
    components = [part.strip() for part in DIVIDERS.split(text) if part.strip()]
    orders = [text.strip(), *components]
    if len(components) > 1:
        first, second = components[:2]
        orders += [
            f"{first}{second}",
            f"{first} {second}",
            f"{second} {first}",
            f"{first}, {second}",
            f"{first}_{second}",
        ]
    return {part for part in orders if len(part.encode()) >= SHORTEST and part.lower() not in NO_ONE}


def _encoded(text: str, encodings: tuple[str, ...]) -> Iterator[bytes]:
    for encoding in dict.fromkeys(("utf-8", "latin-1", "utf-16-le", "utf-16-be", *encodings)):
        try:
            yield text.encode(encoding)
        except (UnicodeEncodeError, LookupError):
            continue


def _stands(number: bytes, content: bytes) -> bool:
    """Whether the number or UID stands in `content` on its own, not within a longer one."""
    if number not in content:
        return False
    return re.search(rb"(?<![0-9.])" + re.escape(number) + rb"(?![0-9.])", content) is not None
