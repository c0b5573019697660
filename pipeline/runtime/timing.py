"""Wall-clock seconds of function calls."""

import time
from collections.abc import Callable
from typing import ParamSpec, TypeVar

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def timed(
    function: Callable[Arguments, Result], /, *arguments: Arguments.args, **options: Arguments.kwargs
) -> tuple[Result, float]:
    """What the function returns, and the seconds that the call took."""
    started = time.perf_counter()
    result = function(*arguments, **options)
    return result, time.perf_counter() - started


def timed_calls(
    function: Callable[Arguments, Result],
) -> tuple[Callable[Arguments, Result], Callable[[], float]]:
    """The same function, and one that returns the seconds that all calls of it have taken, in whatever thread."""
    seconds: list[float] = []

    def call(*arguments: Arguments.args, **options: Arguments.kwargs) -> Result:
        result, elapsed = timed(function, *arguments, **options)
        seconds.append(elapsed)
        return result

    return call, lambda: sum(seconds)
