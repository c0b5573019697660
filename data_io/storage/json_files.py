"""Untrusted JSON: read as the type that is needed within limits, or refused in one line."""

import json
from pathlib import Path
from typing import TypeVar

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.storage.text_files import LARGEST_BYTES, nested_too_deeply, read_text

DEEPEST = 50
NAMES = {dict: "an object", list: "a list"}

Kind = TypeVar("Kind", dict, list)


def read_json(path: str | Path, what: str, kind: type[Kind], *, largest_bytes: int = LARGEST_BYTES) -> Kind:
    """The content of a JSON file whose top level is a `kind`. `what` it is, for errors, such as "a file of splits".

    Raises InputError where there is no such file, it is too large or not UTF-8, and as `parse_json`.
    """
    return parse_json(read_text(path, what, largest_bytes), f"{path}", what, kind=kind)


def parse_json(text: str | bytes, origin: str, what: str, *, kind: type[Kind]) -> Kind:
    """The content of JSON text whose top level is a `kind`; `origin` names it in errors.

    Raises InputError for what is not JSON (NaN and Infinity are not), another type at the top, and more than 50 levels.
    """
    try:
        content = json.loads(text, parse_constant=_no_number, parse_float=_finite)
    except RecursionError as error:
        raise InputError(f"{origin}: {what} has at most {DEEPEST} levels of brackets, found more") from error
    except ValueError as error:  # not JSON, not UTF-8, or a number of thousands of digits
        raise InputError(f"{origin}: not readable as JSON ({str(error)[:200]}); {what} is needed") from error
    if not isinstance(content, kind):
        found = next((name for known, name in NAMES.items() if isinstance(content, known)), "a single value")
        raise InputError(f"{origin}: {what} is {NAMES[kind]}, found {found}")
    if nested_too_deeply(content, DEEPEST):
        raise InputError(f"{origin}: {what} has at most {DEEPEST} levels of brackets, found more")
    return content


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is not a number of JSON")


def _finite(text: str) -> float:
    number = float(text)
    if abs(number) == float("inf"):
        raise ValueError(f"{text[:20]} is too large")
    return number
