"""The error for invalid input."""

import difflib
from collections.abc import Sequence


class InputError(ValueError):
    """A file, setting or argument that cannot be used.

    Its message says what must hold, what was found (file, case, shape, value) and how to fix it. The command line
    prints it as one line and exits with code 2; every other exception is a fault of the program.

    `options`: the names of arguments that help, such as resume, overwrite or changes. The message reads well without
    them; the command line adds the flags of those that the running command has. An error that is raised again with
    more context keeps them.

    >>> error = InputError("runs/a: exists already; resume it or overwrite it", options=("resume", "overwrite"))
    >>> print(error)
    runs/a: exists already; resume it or overwrite it
    >>> InputError(f"case one: {error}", options=error.options).options
    ('resume', 'overwrite')
    """

    def __init__(self, message: str, *, options: Sequence[str] = ()) -> None:
        """An error of that message, and the names of the arguments that help."""
        super().__init__(message)
        self.options = tuple(options)


def options_of(error: BaseException) -> tuple[str, ...]:
    """The names of the arguments that help against an error; none for other errors than InputError."""
    return error.options if isinstance(error, InputError) else ()


def nearest(name: str, valid: Sequence[str]) -> str:
    """The end of an error about an unknown name: the valid one that was probably meant, or all of them."""
    if not valid:
        return ""
    close = difflib.get_close_matches(name, valid, n=1, cutoff=0.5)
    return f"; did you mean {close[0]}?" if close else f"; valid names: {', '.join(valid)}"
