"""Executors: where independent pieces of work are done. Functions that spread work take one as an argument."""

from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import ParamSpec, TypeVar

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


class SerialExecutor(Executor):
    """Does each piece of work at once, in the calling thread; `submit` returns when it is done."""

    def submit(
        self, function: Callable[Arguments, Result], /, *arguments: Arguments.args, **options: Arguments.kwargs
    ) -> Future[Result]:
        """A future that holds the function's result, or the exception that it raised."""
        future: Future[Result] = Future()
        try:
            future.set_result(function(*arguments, **options))
        except Exception as error:  # noqa: BLE001  (raised again by future.result)
            future.set_exception(error)
        return future
