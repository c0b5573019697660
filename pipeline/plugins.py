"""A function of one's own, named "module:function" in the settings."""

import importlib
from collections.abc import Callable, Mapping

from data_io.errors import InputError


def find(name: str, known: Mapping[str, Callable], what: str) -> Callable:
    """The function that `name` means: one of the `known`, or an imported "module:function".

    `what` ("loss", "network", ...) names it in errors. Raises InputError where there is no such function.
    """
    if name in known:
        return known[name]
    module, colon, function = name.partition(":")
    if not colon:
        raise InputError(f"{what} {name}: not known; there are {', '.join(known)}, or module:function of your own")
    try:
        return getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError) as error:
        raise InputError(f"{what} {name}: cannot be imported ({error}); is its folder on PYTHONPATH?") from error
