"""The Basic Application Level Confidentiality Profile as a table: what becomes of each attribute.

profile.csv states table E.1-1 of DICOM PS3.15, edition 2026c, as facts: tag, action of the Basic Profile, and the
options (of those that `Options` has) under which the attribute stays or is cleaned; these are of edition 2025a.
Repeating groups and private attributes, which the table has as patterns, are rules below.
"""

import csv
from enum import Enum, auto
from functools import cache
from importlib import resources

from pneumoseg.data_io.formats.dicom.deidentification.options import Options

PIXEL_DATA = 0x7FE00010
EXTENDED_OFFSETS = (0x7FE00001, 0x7FE00002)


class Treatment(Enum):
    """What is done with an attribute."""

    REMOVE = auto()
    EMPTY = auto()
    DUMMY = auto()
    REPLACE_UID = auto()
    SHIFT = auto()
    CLEAN = auto()  # stays as far as its value is of the form that its type allows, or has known words
    ENTER = auto()  # a sequence, whose items are treated each


OWN = frozenset({0x00080005, 0x00120062, 0x00120063, 0x00120064, 0x00280303})
"""Attributes that say how a file was de-identified: written anew. And SpecificCharacterSet: what stays is ASCII."""

KEPT_TEXT = frozenset(
    {
        *(0x00080070, 0x00081090, 0x00181160, 0x00181210, 0x00209056, 0x00281054, 0x00281055, 0x00283003),
        *(0x00620005, 0x00620009, 0x00660036, 0x00080100, 0x00080102, 0x00080104),
    }
)
"""Text that describes the image or the device, of which known words stay, and codes; all other text is removed."""

EMPTY_TEXT = frozenset({0x00080070, 0x00201040, 0x00700081})
"""Text that an image must have, if only empty: Manufacturer, PositionReferenceIndicator, ContentDescription."""

MULTI_FRAME_TEXT = frozenset(
    {
        *(0x00080070, 0x00081090, 0x00181020),  # Manufacturer, ManufacturerModelName, SoftwareVersions
        *(0x00620005, 0x00620009, 0x00620020),  # SegmentLabel, SegmentAlgorithmName, TrackingID
        *(0x00660031, 0x00660036, 0x0040A160),  # AlgorithmVersion, AlgorithmName, TextValue of a report
    }
)
"""Text that a multi-frame object, segmentation or report must have: where no word stays, it gets a dummy value."""

KEPT_BULK = frozenset({0x00283006, *range(0x00281201, 0x00281205), *range(0x00281221, 0x00281224), *EXTENDED_OFFSETS})
"""Binary values that show or index pixels: lookup tables and offsets. All others are removed."""

TEXT = frozenset({"AE", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT"})
BULK = frozenset({"OB", "OW", "OF", "OD", "OL", "OV", "UN"})
DATES = frozenset({"DA", "DT", "TM"})
UID_SEQUENCES = frozenset({0x00081140, 0x00082112})
"""The sequences of table E.1-1 that refer to other images (X/Z/U*): their UIDs are replaced, so that they still do."""


@cache
def treatment(tag: int, options: Options, enhanced: bool) -> Treatment:
    """What becomes of the attribute `tag`. `enhanced`: in a multi-frame object, in which attributes are mandatory that
    others may lack; of the table's choices, such as X/Z/D, the first is taken that the object allows."""
    from pydicom.datadict import dictionary_has_tag, dictionary_VR, repeater_has_tag

    group, element = tag >> 16, tag & 0xFFFF
    known = dictionary_has_tag(tag) or repeater_has_tag(tag)
    if group % 2 or not element or group < 8 or tag >= PIXEL_DATA or tag in OWN or not known:
        return Treatment.REMOVE
    if group & 0xFF00 == 0x5000 or (
        group & 0xFF00 == 0x6000 and ("overlays" not in options.release or element == 0x4000)
    ):
        return Treatment.REMOVE
    vr = dictionary_VR(tag)
    action, exceptions = _table().get(tag, ("", frozenset()))
    if "dates" in exceptions and options.dates == "shift":
        return Treatment.SHIFT
    kept = ("uids", options.uids), ("descriptors", options.descriptors), ("characteristics", options.characteristics)
    if any(name in exceptions and asked for name, asked in kept):
        return Treatment.ENTER if vr == "SQ" else Treatment.REPLACE_UID if vr == "UI" else Treatment.CLEAN
    return _basic(tag, action, vr, enhanced) if action else _not_in_table(tag, vr, options, enhanced)


def _basic(tag: int, action: str, vr: str, enhanced: bool) -> Treatment:
    choices = action.split("/")
    if tag in UID_SEQUENCES or (vr == "SQ" and choices[-1] == "D" and (enhanced or choices == ["D"])):
        return Treatment.ENTER
    chosen = choices[0]
    if enhanced:
        chosen = choices[-1]
    elif choices == ["X", "Z"]:
        chosen = "Z"
    return {
        "X": Treatment.REMOVE,
        "Z": Treatment.EMPTY,
        "D": Treatment.DUMMY,
        "U": Treatment.REPLACE_UID,
    }[chosen]


def _not_in_table(tag: int, vr: str, options: Options, enhanced: bool) -> Treatment:
    if vr in TEXT:
        return _of_text(tag, enhanced)
    if vr in DATES:
        return Treatment.SHIFT if options.dates == "shift" else Treatment.REMOVE
    if vr == "AS" or (set(vr.split(" or ")) <= BULK and tag not in KEPT_BULK and tag >> 24 != 0x60):
        return Treatment.REMOVE
    return {"SQ": Treatment.ENTER, "UI": Treatment.REPLACE_UID}.get(vr, Treatment.CLEAN)


def _of_text(tag: int, enhanced: bool) -> Treatment:
    if tag in KEPT_TEXT:
        return Treatment.CLEAN
    if enhanced and tag in MULTI_FRAME_TEXT:
        return Treatment.DUMMY
    return Treatment.EMPTY if tag in EMPTY_TEXT else Treatment.REMOVE


@cache
def _table() -> dict[int, tuple[str, frozenset[str]]]:
    """Action, and the options under which it does not count, by tag."""
    with resources.files(__package__).joinpath("profile.csv").open(encoding="utf-8") as file:
        return {int(row["tag"], 16): (row["action"], frozenset(row["options"].split())) for row in csv.DictReader(file)}
