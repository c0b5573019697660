"""Masks with other numbers for the classes, read as class numbers 0, 1, 2, ... of a table."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.label_names import Names
from pneumoseg.data_io.formats.nifti_placement import GridForm
from pneumoseg.data_io.formats.reading import read_labels
from pneumoseg.data_io.volumes.labels import LUNG_LABELS, LabelTable
from pneumoseg.data_io.volumes.volume import Volume

BACKGROUND = "background"
COLOURS = ((213, 94, 0), (0, 158, 115), (204, 121, 167), (230, 159, 0), (86, 180, 233), (0, 114, 178), (181, 168, 0))


@dataclass(frozen=True)
class LabelMapping:
    """`values`: the number in the files of each class of `table`. `grid`: which form of NIfTI headers counts, see
    `formats.nifti_placement`."""

    values: tuple[int, ...]
    table: LabelTable
    grid: GridForm = "sform"

    def read(self, path: str | Path, label_names: Names = ()) -> Volume:
        """Reads a mask as uint8 class numbers of the table, by the names in it and in `label_names` where there are
        any; see `reading.read_labels`. Raises InputError for a value that no class has."""
        return read_labels(
            path,
            self.table,
            values=self.values,
            label_names=label_names,
            grid=self.grid,
            remedy="name every label",
        )


LUNG_MAPPING = LabelMapping((0, 1, 2, 3), LUNG_LABELS)


def parse_labels(texts: Sequence[str]) -> LabelMapping:
    """From "1=lung_left", "2=lung_right,3=infection": numbers and names of the classes; 0 is the background unless it
    is given another number. The classes of LUNG_LABELS come in its order, whatever their numbers, so that what is
    known of them (colours, the lungs as a group) holds.

    Raises InputError for other texts, a number or a name given twice, no class, and more than 255.
    """
    pairs = [part.strip() for text in texts for part in text.split(",") if part.strip()]
    numbers: dict[str, int] = {}
    for pair in pairs:
        number, equals, name = (part.strip() for part in pair.partition("="))
        if not equals or not name or not number.isascii() or not number.isdigit():
            raise InputError(f"a class is given as NUMBER=NAME, such as 1=lung_left, found {pair!r}")
        if name in numbers or int(number) in numbers.values():
            raise InputError(f"numbers and names of classes must be unique, found {pair} again")
        numbers[name] = int(number)
    if BACKGROUND not in numbers:
        if 0 in numbers.values():
            raise InputError("0 is the background; if it is not in your masks, give the background a number")
        numbers[BACKGROUND] = 0
    known = [name for name in LUNG_LABELS.names if name in numbers]
    names = (*known, *(name for name in numbers if name not in known))
    if not 2 <= len(names) <= 255:
        raise InputError(f"there are from 1 to 254 classes beside the background, found {len(names) - 1}")
    lung_colours = dict(zip(LUNG_LABELS.names, LUNG_LABELS.colours, strict=True))
    colours = tuple(lung_colours.get(name, COLOURS[index % len(COLOURS)]) for index, name in enumerate(names))
    mirror_pairs, within = (_pairs_in(names, pairs) for pairs in (LUNG_LABELS.mirror_pairs, LUNG_LABELS.within))
    return LabelMapping(tuple(numbers[name] for name in names), LabelTable(names, colours, mirror_pairs, within))


def _pairs_in(names: Sequence[str], pairs: Sequence[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """The pairs of LUNG_LABELS by the numbers that their classes have among `names`, of those that are both there."""
    named = ([LUNG_LABELS.names[label] for label in pair] for pair in pairs)
    return tuple((names.index(one), names.index(other)) for one, other in named if {one, other} <= set(names))
