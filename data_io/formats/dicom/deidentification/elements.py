"""What becomes of the attributes of one data set, at every depth: values stay bytes, and stay only in a known form."""

import re
from collections import Counter
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

from pneumoseg.data_io.formats.dicom.deidentification.dates import DUMMIES, shifted
from pneumoseg.data_io.formats.dicom.deidentification.encoding import Element, text_element
from pneumoseg.data_io.formats.dicom.deidentification.identities import Identities
from pneumoseg.data_io.formats.dicom.deidentification.key_file import Key
from pneumoseg.data_io.formats.dicom.deidentification.options import Options
from pneumoseg.data_io.formats.dicom.deidentification.profile import (
    BULK,
    DATES,
    EMPTY_TEXT,
    KEPT_BULK,
    MULTI_FRAME_TEXT,
    TEXT,
    Treatment,
    treatment,
)
from pneumoseg.data_io.formats.dicom.deidentification.raw_values import read_bytes, read_text, tags_of
from pneumoseg.data_io.formats.dicom.deidentification.words import code_meanings, known_words
from pneumoseg.data_io.formats.dicom.uids import is_valid_uid

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

CODE_VALUE, CODE_SCHEME, CODE_MEANING = 0x00080100, 0x00080102, 0x00080104
CODE_VALUES = (CODE_VALUE, 0x00080119, 0x00080120)
TIME_ZONE = 0x00080201
OLDEST_YEARS = 90
ESSENTIAL = frozenset({0x00080008, 0x00080060, 0x00185100, 0x00280004})
"""ImageType, Modality, PatientPosition, PhotometricInterpretation: without them an image is of no use."""

FORMS = {
    "CS": re.compile(rb"[A-Z0-9_ ]{0,16}"),
    "DS": re.compile(rb"(?:[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d{1,3})?)?"),
    "IS": re.compile(rb"(?:[-+]?\d{1,12})?"),
}
"""The form of one value of a text with a restricted type."""

LONGEST = {"CS": 16, "SH": 16, "LO": 64}
LONGEST_TEXT = 10_240
WHOLE_NUMBER = re.compile(rb"[-+]?[0-9]+")
AGE = re.compile(rb"(\d{3})([DWMY])")
OFFSET = re.compile(rb"[-+]\d{4}")
WIDTHS = {"US": 2, "SS": 2, "UL": 4, "SL": 4, "FL": 4, "FD": 8, "AT": 4, "UV": 8, "SV": 8}
NUMBER_TEXTS = frozenset({"DS", "IS"})


@dataclass(frozen=True)
class Rules:
    """How the attributes of one file are treated. `days`: by how many dates move. `enhanced`: as of `treatment`.
    `counts`: what was done how often, counted up; nested attributes count as well."""

    key: Key
    options: Options
    days: int
    enhanced: bool
    identities: Identities
    counts: Counter = field(default_factory=Counter)


def cleaned(dataset: "Dataset", rules: Rules) -> list[Element]:
    """The attributes that stay, ordered by tag, with the values that they get."""
    elements = []
    for tag in tags_of(dataset):
        one = _treated(dataset, tag, rules)
        if one is not None:
            elements.append(one)
    return elements


def replaced_uid(text: str, rules: Rules) -> str:
    """The UID that stands for `text`: itself where it is one of the standard's own, or valid and to be kept."""
    if text in _standard_uids() or (rules.options.uids and is_valid_uid(text)):
        return text
    return rules.key.uid(text)


def _treated(dataset: "Dataset", tag: int, rules: Rules) -> Element | None:
    how = treatment(tag, rules.options, rules.enhanced)
    if how is Treatment.REMOVE:
        rules.counts["removed"] += 1
        return None
    raw = dataset.get_item(tag)
    vr = _vr_of(tag, raw.VR)
    if vr is None:  # of another type than the dictionary's: whatever it holds, it is not what the tag says
        rules.counts["removed"] += 1
        return None
    if vr == "SQ":
        return _sequence(dataset, tag, how, rules)
    value = read_bytes(dataset, tag)
    if not raw.is_raw and not raw.is_empty and not value:  # converted, so that its bytes are lost
        rules.counts["removed"] += 1
        return None
    if vr not in WIDTHS and vr not in BULK:
        value = value.strip(b" \0")
    done = _value(tag, vr, value, how, rules)
    if done is not None and done.value and tag not in ESSENTIAL and _names_someone(done, rules.identities):
        done, how = Element(tag, vr, b""), Treatment.EMPTY
    rules.counts[_COUNTED[how] if done is not None else "removed"] += 1
    return done


_COUNTED = {
    Treatment.EMPTY: "emptied",
    Treatment.DUMMY: "replaced",
    Treatment.REPLACE_UID: "uids",
    Treatment.SHIFT: "dates_shifted",
    Treatment.CLEAN: "kept",
    Treatment.REMOVE: "removed",
}


def _value(tag: int, vr: str, value: bytes, how: Treatment, rules: Rules) -> Element | None:
    if how is Treatment.EMPTY:
        return Element(tag, vr, b"")
    if how is Treatment.DUMMY:
        return _dummy(tag, vr)
    if how is Treatment.REPLACE_UID:
        return _uids(tag, value, rules)
    if how is Treatment.SHIFT:
        return _moved(tag, vr, value, rules.days)
    done = _in_form(tag, vr, value)
    is_missing = rules.enhanced and tag in MULTI_FRAME_TEXT and (done is None or not done.value)
    return _dummy(tag, vr) if is_missing else done


def _vr_of(tag: int, declared: str | None) -> str | None:
    """The type of an attribute: as declared, where the dictionary allows it, else the dictionary's where none is
    declared (implicit types, UN); None where both contradict each other."""
    allowed = _dictionary_vrs(tag)
    if declared in allowed:
        return declared
    if declared is None or declared == "UN":
        return allowed[0]
    return declared if {declared, *allowed} <= NUMBER_TEXTS or {declared, *allowed} <= DATES else None


def _sequence(dataset: "Dataset", tag: int, how: Treatment, rules: Rules) -> Element | None:
    if how in (Treatment.EMPTY, Treatment.SHIFT, Treatment.DUMMY):
        rules.counts["emptied"] += 1
        return Element(tag, "SQ", [])
    found = dataset[tag]
    items = list(found.value or ()) if found.VR == "SQ" else []
    made = [item for one in items if (item := _item(one, rules))]
    if items and not made:
        rules.counts["removed"] += 1
        return None
    rules.counts["kept"] += 1
    return Element(tag, "SQ", made)


def _item(item: "Dataset", rules: Rules) -> list[Element]:
    """An item of a sequence; of a code that is in no list of the standard, nothing."""
    elements = cleaned(item, rules)
    if not any(tag in item for tag in CODE_VALUES):
        return elements
    value, scheme = (read_text(item, tag) for tag in (CODE_VALUE, CODE_SCHEME))
    meaning = code_meanings().get((scheme, value))
    if meaning is None:
        return []
    code = [
        text_element(CODE_VALUE, "SH", value),
        text_element(CODE_SCHEME, "SH", scheme),
        text_element(CODE_MEANING, "LO", meaning.encode("ascii", "replace").decode()[:64]),
    ]
    nested = [one for one in elements if one.vr == "SQ"]
    return code + nested


def _in_form(tag: int, vr: str, value: bytes) -> Element | None:
    """The attribute, where its value has the form that its type asks; of text, the words that are known."""
    if vr in WIDTHS:
        return Element(tag, vr, value) if _is_count(tag, len(value), WIDTHS[vr]) else None
    if vr in BULK:
        return Element(tag, vr, value) if tag in KEPT_BULK or tag >> 24 == 0x60 else None
    if vr == "AS":
        return _age(tag, value)
    if vr in FORMS and all(FORMS[vr].fullmatch(one.strip()) for one in value.split(b"\\")):
        return text_element(tag, vr, value.decode("ascii"))
    if vr not in TEXT and vr != "CS":
        return None
    parts = [_shortened(known_words(part), vr) for part in value[:LONGEST_TEXT].decode("ascii", "ignore").split("\\")]
    text = "\\".join(parts) if any(parts) else ""
    return text_element(tag, vr, text) if text or tag in EMPTY_TEXT or not value else None


def _shortened(text: str, vr: str) -> str:
    """The text without its last words, as far as it is longer than its type allows."""
    while len(text) > LONGEST.get(vr, LONGEST_TEXT):
        text = text.rpartition(" ")[0]
    return text


def _is_count(tag: int, length: int, width: int) -> bool:
    """Whether so many bytes are a number of values that the attribute may have."""
    from pydicom.datadict import dictionary_VM

    multiplicity = dictionary_VM(tag)
    if length % width:
        return False
    return not multiplicity.isdecimal() or length in (0, int(multiplicity) * width)


def _age(tag: int, value: bytes) -> Element | None:
    """An age; from 90 years on, which few reach, as 90."""
    found = AGE.fullmatch(value)
    if not found:
        return None
    old = found.group(2) == b"Y" and int(found.group(1)) >= OLDEST_YEARS
    return text_element(tag, "AS", f"{OLDEST_YEARS:03d}Y" if old else value.decode())


def _uids(tag: int, value: bytes, rules: Rules) -> Element:
    texts = [text.strip() for text in value.strip(b" \0").decode("ascii", "replace").split("\\")]
    made = [replaced_uid(text, rules) for text in texts if text]
    return text_element(tag, "UI", "\\".join(made))


def _moved(tag: int, vr: str, value: bytes, days: int) -> Element | None:
    if tag == TIME_ZONE:
        return Element(tag, vr, value + b" " * (len(value) % 2)) if OFFSET.fullmatch(value) else None
    text = shifted(value.decode("ascii", "replace"), vr, days) if vr in DATES else None
    return text_element(tag, vr, text or "")


def _dummy(tag: int, vr: str) -> Element:
    """A value that says nothing, of the type of the attribute."""
    if vr in WIDTHS:
        return Element(tag, vr, bytes(WIDTHS[vr]))
    if vr in BULK:
        return Element(tag, vr, bytes(2))
    texts = {**DUMMIES, "AS": "000Y", "DS": "0", "IS": "0", "UI": "2.25.0", "PN": "REMOVED"}
    return text_element(tag, vr, texts.get(vr, "REMOVED"))


def _names_someone(one: Element, identities: Identities) -> bool:
    if not isinstance(one.value, bytes) or one.vr == "UI":
        return isinstance(one.value, bytes) and identities.in_bytes(one.value)
    whole = WHOLE_NUMBER.fullmatch(one.value.strip()) if one.vr == "IS" else None
    if whole and whole.group().lstrip(b"+-") in identities.short_numbers:
        return True
    text = one.vr not in NUMBER_TEXTS and one.vr not in WIDTHS and one.vr not in BULK
    return identities.in_bytes(one.value) or (text and identities.in_text(one.value))


@cache
def _dictionary_vrs(tag: int) -> tuple[str, ...]:
    from pydicom.datadict import dictionary_VR

    return tuple(dictionary_VR(tag).split(" or "))


@cache
def _standard_uids() -> frozenset[str]:
    from pydicom.uid import UID_dictionary

    return frozenset(UID_dictionary)
