"""The warnings that a report lists."""

from collections.abc import Iterable


def grouped(warnings: Iterable[str]) -> list[str]:
    """Each warning once; "A: TEXT" and "B: TEXT", the same of two cases or files, as "A, B: TEXT"."""
    names: dict[str, list[str]] = {}
    for warning in dict.fromkeys(warnings):
        head, colon, text = warning.partition(": ")
        names.setdefault(text if colon else head, []).extend([head] if colon else [])
    return [f"{', '.join(heads)}: {text}" if heads else text for text, heads in names.items()]
