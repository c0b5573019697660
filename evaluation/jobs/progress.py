"""How far a job is, told now and then; and that it is to end."""

import time
from collections.abc import Callable

TILES = "Segmenting"
"""What the progress of a segmentation's tiles is called by `data_io.console.track`."""
EVERY_S = 0.25


class EndedError(Exception):
    """The job is to end, or was given to another worker."""


class Progress:
    """Tells `report` the stage of a job and how much of that is done, 0..1; raises EndedError where it gives False."""

    def __init__(self, report: Callable[[str, float], bool]) -> None:
        """Nothing is told yet."""
        self._report = report
        self._stage, self._share, self._told_at = "", 0.0, 0.0
        self._counted: str | None = None

    def begin(self, stage: str, *, counted: str | None = None) -> None:
        """Another stage begins; its progress is the work that `console.track` calls `counted`."""
        self._stage, self._share, self._counted = stage, 0.0, counted
        self._tell()

    def hear(self, description: str, done: int, total: int | None) -> None:
        """A listener for `console.listening`: work that is counted is progress, other work passes. Tiles begin the
        stage of a segmentation, where nothing else is counted."""
        if description == TILES and total and self._counted is None:
            self.begin("segmenting", counted=TILES)
        if description == self._counted and total:
            share = max(self._share, done / total)  # the networks of an ensemble may count apart
            ended = done == total and self._share < 1.0
            self._share = share
            if ended:
                self._tell()
        if time.monotonic() - self._told_at >= EVERY_S:
            self._tell()

    def _tell(self) -> None:
        self._told_at = time.monotonic()
        if not self._report(self._stage, self._share):
            raise EndedError
