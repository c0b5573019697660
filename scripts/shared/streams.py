"""Standard input, output and error as a program finds them: perhaps closed, broken, or of an encoding that lacks
characters."""

import contextlib
import os
import select
import sys
from collections.abc import Callable

BROKEN_PIPE = 141
"""The exit code of a program whose output is a closed pipe, as of `pneumoseg ... | head -1`: 128 + SIGPIPE."""


def run_with_streams(program: Callable[[], None]) -> None:
    """Runs the program, after `open_streams`. Exits with code 141, without a message, if the reader of its output
    has closed it."""
    open_streams()
    try:
        try:
            program()
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        discard_output()
        sys.exit(BROKEN_PIPE)


def open_streams() -> None:
    """Makes standard input, output and error usable: those that are closed are opened on the null device, and text that
    the others cannot encode, such as a file name that is not UTF-8, is printed with backslashes.

    The descriptors are opened too: else the next file that is opened would get the number of one, and with it all that
    C++ libraries print there.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # takes the lowest number that is free
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
        getattr(sys, name).reconfigure(errors="backslashreplace")


def is_closed_pipe() -> bool:
    """Whether standard output is a pipe whose reader has closed it."""
    try:
        poll = select.poll()
        poll.register(sys.stdout.fileno(), select.POLLOUT)
        return any(event & select.POLLERR for _, event in poll.poll(0))
    except (AttributeError, OSError, ValueError):  # Windows has no poll, a stream in memory no descriptor
        return False


def discard_output() -> None:
    """Redirects standard output to the null device, so that nothing fails when Python closes it."""
    with contextlib.suppress(OSError, ValueError):
        null_device = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null_device, sys.stdout.fileno())
        os.close(null_device)
