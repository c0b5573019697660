"""Labels by their names: which number each class has in a mask whose file, or whose dataset, names its labels.

Names are compared without regard to case, order and punctuation: "lung_left", "Left lung" and "Lung L" are one.
"""

import re
from collections.abc import Sequence

from pneumoseg.data_io.errors import InputError

Names = tuple[tuple[str, tuple[int, ...]], ...]
"""Each name with the numbers of its label; several numbers are a region of several labels."""

CAMEL_CASE = re.compile(r"(?<=[a-z])(?=[A-Z])")
WORDS = re.compile(r"[^\W\d_]+|\d+")
SAME_WORDS = {
    "l": "left", "lt": "left", "r": "right", "rt": "right", "lungs": "lung", "lesions": "lesion",
    "infected": "infection", "infections": "infection", "bg": "background",
}  # fmt: skip
INFECTION = ("infection",)
SAME_NAMES = {
    ("covid",): INFECTION, ("19", "covid"): INFECTION, ("lesion",): INFECTION, ("covid", "lesion"): INFECTION,
    ("19", "covid", "lesion"): INFECTION, ("covid", "infection"): INFECTION, ("19", "covid", "infection"): INFECTION,
    ("clear", "label"): ("background",), ("unlabeled",): ("background",), ("unlabelled",): ("background",),
}  # fmt: skip
MEANINGLESS = {"segment", "label", "class", "region", "roi", "structure", "object", "mask"}
CORRECT = "correct the names in the mask's file or in dataset.json"
IGNORED = ("ignore",)  # the label of nnU-Net for voxels that were not annotated


def values_by_name(declared: Names, names: Sequence[str], values: Sequence[int]) -> tuple[int | None, ...]:
    """The number of each class of `names` in a mask whose labels are called as `declared`.

    `values` where no known name is at another number. Else the numbers of the known names alone, with that of the
    background where it is free; None for the other classes, which the mask does not have. Raises InputError for names
    that contradict each other, for regions and for an ignored label at the number of a class.
    """
    number_of, class_at = _known(declared, names)
    if all(values[index] == number for index, number in number_of.items()):
        for name, numbers in declared:
            if _key(name) == IGNORED and numbers[0] in values and numbers[0] not in class_at:
                read_as = names[list(values).index(numbers[0])]
                raise InputError(f"label {numbers[0]} is called {name}, the number of {read_as}; remove these voxels")
        return tuple(values)
    background = None if values[0] in class_at else values[0]
    return tuple(number_of.get(index, None if index else background) for index in range(len(names)))


def unlike(declared: Names, names: Sequence[str], values: Sequence[int | None]) -> list[tuple[int, str, str]]:
    """Number, declared name and class of the labels that are read as a class of quite another name; names without a
    meaning, such as Segment_1, are like any."""
    _, class_at = _known(declared, names)
    labels = []
    for name, (number, *_) in declared:
        if number not in values or number in class_at or _is_meaningless(name):
            continue
        read_as = names[list(values).index(number)]
        if not _is_meaningless(read_as):
            labels.append((number, name, read_as))
    return labels


def _known(declared: Names, names: Sequence[str]) -> tuple[dict[int, int], dict[int, int]]:
    """The number of each class that is named, and the class at each such number."""
    number_of: dict[int, int] = {}
    class_at: dict[int, int] = {}
    for name, numbers in declared:
        if len(numbers) != 1:
            raise InputError(
                f"{name} is a region of the labels {list(numbers)} in dataset.json; each class needs one label"
            )
        index = _class_of(name, names)
        if index is None:
            continue
        number = numbers[0]
        if number_of.setdefault(index, number) != number:
            one, other = sorted((number_of[index], number))
            raise InputError(f"labels {one} and {other} are both called {names[index]}; {CORRECT}")
        if class_at.setdefault(number, index) != index:
            raise InputError(f"label {number} is called {names[class_at[number]]} and {names[index]}; {CORRECT}")
    return number_of, class_at


def _class_of(name: str, names: Sequence[str]) -> int | None:
    """The class of that name; None where there is none, or more than one."""
    for key in (_key, _usual_key):
        classes = [index for index, one in enumerate(names) if key(one) == key(name) and not _is_meaningless(one)]
        if classes:
            return classes[0] if len(classes) == 1 else None
    return None


def _key(name: str) -> tuple[str, ...]:
    words = [word.lower() for word in WORDS.findall(CAMEL_CASE.sub(" ", name))]
    return tuple(sorted(SAME_WORDS.get(word, word) for word in words))


def _usual_key(name: str) -> tuple[str, ...]:
    return SAME_NAMES.get(_key(name), _key(name))


def _is_meaningless(name: str) -> bool:
    return all(word in MEANINGLESS or word.isdigit() for word in _key(name))
