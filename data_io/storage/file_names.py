"""Names of files as text."""

import os
from pathlib import Path


def name_as_text(name: str) -> str:
    """A file's name as UTF-8 text, whatever the locale in which Python read it.

    Bytes that are not UTF-8 stay what Python makes of them, lone surrogates; JSON and CSV files show them as \\udcXX.
    """
    return os.fsencode(name).decode("utf-8", "surrogateescape")


def is_utf8(path: Path) -> bool:
    """Whether the bytes of a path are UTF-8, as ITK needs them: it ends the process where they are not."""
    try:
        os.fsencode(path).decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
