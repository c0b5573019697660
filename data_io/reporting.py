"""What a command tells the person at the terminal: log lines and progress bars, on standard error."""

import logging
import sys
from collections.abc import Iterable, Iterator

log = logging.getLogger("pneumoseg")
"""Messages for people. At level INFO (the default of the commands) bars are shown; WARNING is `--quiet`."""


def track(items: Iterable, description: str, total: int | None = None) -> Iterator:
    """Yields `items` under a progress bar named `description`; silent where the log's level is above INFO."""
    if not log.isEnabledFor(logging.INFO) or not sys.stderr.isatty():
        yield from items
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        yield from progress.track(items, total=total, description=description)
