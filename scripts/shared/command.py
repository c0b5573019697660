"""How commands end, whatever happens in them: exit codes, and errors in one line.

This file imports no heavy package, so that `--help` answers at once.
"""

import contextlib
import functools
import inspect
import logging
import multiprocessing
import sys
import typing
from collections.abc import Callable, Iterator

import typer
from typer.models import OptionInfo

from pneumoseg.data_io.console import terminal
from pneumoseg.data_io.errors import InputError, options_of
from pneumoseg.data_io.public_text import visible
from pneumoseg.data_io.storage.cache import give_home
from pneumoseg.scripts.shared.streams import BROKEN_PIPE, discard_output, is_closed_pipe, run_with_streams

INTERRUPTED = 130
"""The exit code of a program that a person interrupts: 128 + SIGINT."""

HANDING_ON = {"ignore_unknown_options": True}
"""Settings of a command that hands flags that it does not know to another."""


def command(function: Callable) -> Callable:
    """Makes `function` end as every command does; its parameters are then given by keyword.

    An InputError, a failing file system or a lack of memory becomes one line on standard error and exit code 2, with
    those flags of the command that help; with `--verbose` the traceback is shown. An interruption ends with code 130;
    a closed pipe as standard output ends the command with code 141 and no message. `--quiet` (implied by
    `--json`) silences all but warnings.
    """

    @functools.wraps(function)
    def ended(**arguments):
        quiet = arguments.get("quiet", False) or arguments.get("json", False)
        terminal.setLevel(logging.WARNING if quiet else logging.INFO)
        try:
            give_home()
            try:
                return function(**arguments)
            finally:
                sys.stdout.flush()
        except KeyboardInterrupt as interruption:
            _print_error("interrupted")
            for worker in multiprocessing.active_children():
                worker.terminate()  # one that was interrupted as well may never end, and would be waited for
            raise typer.Exit(INTERRUPTED) from interruption
        except (InputError, OSError, MemoryError, RecursionError) as error:
            if isinstance(error, BrokenPipeError) and is_closed_pipe():
                discard_output()
                raise typer.Exit(BROKEN_PIPE) from error
            if arguments.get("verbose", False):
                raise
            _print_error(_in_words(error) + _remedies(error, function))
            raise typer.Exit(2) from error

    return ended


def run(function: Callable, context_settings: dict | None = None) -> None:
    """Runs one command as a program of its own: the last line of every command's file. `context_settings`: of typer."""
    app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    app.command(context_settings=context_settings)(function)
    run_with_streams(app)


def flags_of(function: Callable) -> dict[str, str]:
    """The flags of a command by the names of its parameters: {"changes": "--set", "resume": "--resume", ...}."""
    flags: dict[str, str] = {}
    for parameter in inspect.signature(function).parameters.values():
        for note in typing.get_args(parameter.annotation):
            if isinstance(note, OptionInfo):  # within Annotated, typer keeps the first name as the default
                names = [str(name) for name in (note.default, *(note.param_decls or ()))]
                flags[parameter.name] = next(name for name in names if name.startswith("--"))
    return flags


def refuse_flags(reason: str, **given: object) -> None:
    """Raises InputError, with the flags by their names, where some were given that mean nothing for these data.

    `given`: by the name of the command's parameter its value; None, False and empty ones were not given. `reason`: what
    they are for, in words.
    """
    was_given = {name: value is not None and value is not False and value != [] for name, value in given.items()}
    if named := tuple(name for name, is_given in was_given.items() if is_given):
        raise InputError(f"{reason}; leave out what is not for these data", options=named)


PARAMETERS = {"folds": "fold", "tolerances_mm": "tolerance"}
"""Parameters of commands by the names of the library's arguments, where they differ."""


@contextlib.contextmanager
def value_of(flag: str) -> Iterator[None]:
    """Puts the name of a flag before the InputError about its value."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{flag}: {error}", options=error.options) from error


def _remedies(error: BaseException, function: Callable) -> str:
    """The end of an error's line: the flags of the command that help."""
    flags = flags_of(function)
    options = [PARAMETERS.get(option, option) for option in options_of(error)]
    helpful = [flags[option] for option in options if option in flags]
    return f" ({', '.join(helpful)})" if helpful else ""


def _in_words(error: BaseException) -> str:
    if isinstance(error, MemoryError):
        reason = str(error) or "the system gave none"
        return f"there is not enough memory ({reason}); close other programs, or use a machine with more"
    if isinstance(error, RecursionError):
        return f"something is nested too deeply ({error}); is a JSON or YAML file damaged?"
    return str(error)


def _print_error(words: str) -> None:
    with contextlib.suppress(OSError):  # standard error is closed
        print(f"error: {visible(' '.join(words.split()))}", file=sys.stderr)
