"""What classes are in SNOMED CT, for formats that say so by codes; and their colours there."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Code:
    """A concept of a coding scheme, by default of SNOMED CT."""

    value: str
    meaning: str
    scheme: str = "SCT"


@dataclass(frozen=True)
class SegmentCode:
    """Category and type of a class, what modifies the type (a side, a cause), and the colour (RGB, 0..255) in which
    formats with codes show it, where that is not the label table's."""

    category: Code
    type: Code
    modifier: Code | None = None
    colour: tuple[int, int, int] | None = None


LEFT, RIGHT = Code("7771000", "Left"), Code("24028007", "Right")
LUNG = Code("39607008", "Lung")
ANATOMY = Code("123037004", "Anatomical Structure")
MORPHOLOGY = Code("49755003", "Morphologically Abnormal Structure")
TISSUE = Code("85756007", "Tissue")

CODES = {
    "lung_left": SegmentCode(ANATOMY, LUNG, LEFT),
    "lung_right": SegmentCode(ANATOMY, LUNG, RIGHT),
    "infection": SegmentCode(
        MORPHOLOGY, Code("47351003", "Infiltration"), Code("840539006", "COVID-19"), colour=(255, 90, 0)
    ),
}
"""Of the classes with codes of their own, by name."""


def code_of(name: str) -> SegmentCode:
    """The code of a class by its name; tissue, as in 3D Slicer, where it has none of its own.

    >>> code_of("lung_left").modifier.meaning, code_of("effusion").type.meaning
    ('Left', 'Tissue')
    """
    return CODES.get(name, SegmentCode(TISSUE, TISSUE))
