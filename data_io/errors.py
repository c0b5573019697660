"""The error for the person at the keyboard."""

import difflib
from collections.abc import Sequence


class InputError(ValueError):
    """A file, setting or argument that cannot be used.

    Its message says what must hold, what was found (file, case, shape, value) and how to mend it. The command line
    prints it as one line and exits with code 2; every other exception is a fault of the program.
    """


def nearest(name: str, valid: Sequence[str]) -> str:
    """The end of an error about an unknown name: the valid one that was probably meant, or all of them."""
    if not valid:
        return ""
    close = difflib.get_close_matches(name, valid, n=1, cutoff=0.5)
    return f"; did you mean {close[0]}?" if close else f"; valid names: {', '.join(valid)}"
