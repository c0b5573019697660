"""Names of files as text."""

from pathlib import Path


def name_as_text(name: str) -> str:
    """A file's name as UTF-8 text, whatever the locale in which Python read it.

    Bytes that are not UTF-8 stay what Python makes of them, lone surrogates; JSON and CSV files show them as \\udcXX.
    """
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape")


def is_utf8(path: Path) -> bool:
    """Whether the bytes of a path are UTF-8, as ITK needs them: it ends the process where they are not."""
    return str(path) == str(path).encode("utf-8", "replace").decode("utf-8")
