"""User-defined functions, named "module:function" in the settings."""

import importlib
import inspect
from collections.abc import Callable, Mapping

from pneumoseg.data_io.errors import InputError, nearest
from pneumoseg.data_io.formats.content_hash import sha256_of


def find(name: str, known: Mapping[str, Callable], what: str) -> Callable:
    """The function called `name`: one of `known`, or an imported "module:function".

    `what` ("loss", "network", ...) is its kind, for errors. Raises InputError where there is no such function or class.
    """
    if name in known:
        return known[name]
    module, colon, function = name.partition(":")
    if not colon:
        raise InputError(
            f"{what} {name}: not known{nearest(name, tuple(known))}; or give a function as module:function"
        )
    try:
        plugin = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError, TypeError, ValueError) as error:
        raise InputError(f"{what} {name}: cannot be imported ({error}); is its folder on PYTHONPATH?") from error
    if not callable(plugin):
        raise InputError(f"{what} {name}: a function or class is needed, found {type(plugin).__name__}")
    return plugin


def source_hash(name: str) -> str:
    """SHA-256 of the file that defines "module:function", by which a changed function is recognised.

    Raises InputError as `find`, and for objects without a source file, such as a functools.partial, whose changes could
    not be recognised.
    """
    function = find(name, {}, "function")
    try:
        source = inspect.getsourcefile(function)
    except TypeError as error:
        raise InputError(
            f"{name}: a function defined in a Python file is needed, found {type(function).__name__}; write one with "
            "def that calls it"
        ) from error
    return sha256_of(source) if source else name
