"""Descriptions reduced to words that name no one: of any text, only words of a fixed list stay.

A list of what may stay cannot miss a name, as a list of what must go can. words.txt is that list: body parts,
directions and techniques in several languages, makers of CTs and the names of their models.
"""

import re
from functools import cache
from importlib import resources

KERNEL = re.compile(
    r"[ABCDHIJTUQ][fhlprsuv]?\d{2}[a-z]|FC\d{2}|Y[A-E]|E[A-C]|STANDARD|LUNG|BONE\w{0,4}|SOFT|CHST|EDGE", re.ASCII
)
SHORT_KERNEL = re.compile(r"[ABCDHIJTUQ][fhlprsuv]?\d{2}|[A-FL]|L[AB]", re.ASCII)
"""A name that would be anything within other text."""

TOKEN = re.compile(r"[A-Za-z]+\+?\d*[A-Za-z]*|\d+(?:[.,/:-]\d+)*", re.ASCII)
LENGTH = re.compile(r"\d{1,2}(?:\.\d{1,2})?(?=\s*mm\b)", re.ASCII)
LETTERS_THEN_NUMBER = re.compile(r"([a-z]{4,}\+?)\d{1,2}", re.ASCII)
CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
SHORT_NUMBER = re.compile(r"\d{1,3}", re.ASCII)


def known_words(text: str) -> str:
    """The words of `text` that are on the list, with names of kernels and lengths in mm; of numbers, one of up to three
    digits where it is the only one.

    >>> known_words("ThoraxRoutine 1.5mm B40f, Mr Smith, born 12/03/1961"), known_words("Sensation 10")
    ('Thorax Routine 1.5 mm B40f', 'Sensation 10')
    """
    numbers = len(re.findall(r"(?<![A-Za-z])\d+", text))
    kept = []
    for found in TOKEN.finditer(text):
        token = found.group()
        if _is_kernel(token, text, found.span()):
            kept.append(token)
        elif (length := LENGTH.match(text, found.start())) and length.end() >= found.end():
            kept.append(f"{length.group()} mm")
        elif _is_known(token, alone=numbers == 1):
            kept.append(token)
        else:
            kept += [part for part in CAMEL.split(token) if _is_known(part, alone=False)]
    return " ".join(kept)


@cache
def code_meanings() -> dict[tuple[str, str], str]:
    """The meaning of each code of the schemes that DICOM uses (SCT, DCM, UCUM and others), by scheme and value."""
    from pydicom.sr.codedict import codes

    schemes = [getattr(codes, name) for name in codes.schemes()]
    every = [getattr(scheme, keyword) for scheme in schemes for keyword in scheme.dir()]
    return {(code.scheme_designator, code.value): code.meaning for code in every}


def _is_kernel(token: str, text: str, span: tuple[int, int]) -> bool:
    """Whether the token names a kernel, and is no part of a longer name or number."""
    if token == text.strip() and SHORT_KERNEL.fullmatch(token):
        return True
    around = text[max(0, span[0] - 1) : span[0]] + text[span[1] : span[1] + 1]
    return KERNEL.fullmatch(token) is not None and not set(around) & set("-_./")


def _is_known(token: str, alone: bool) -> bool:
    word = token.lower()
    if word in _words() or (alone and SHORT_NUMBER.fullmatch(token)):
        return True
    found = LETTERS_THEN_NUMBER.fullmatch(word)
    return found is not None and found.group(1) in _words()


@cache
def _words() -> frozenset[str]:
    return frozenset(resources.files(__package__).joinpath("words.txt").read_text(encoding="utf-8").split())
