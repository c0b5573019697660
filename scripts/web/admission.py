"""How much is taken at a time: 429 for what is too much, with the seconds after which to ask again."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pneumoseg.scripts.web.limits import Limits
from pneumoseg.scripts.web.refusals import Refusal

AFTER_UPLOADS_S, AFTER_QUEUE_S, AFTER_LISTENERS_S = 5, 30, 30


class Admission:
    """The uploads and listeners of one server, and the rate of its new jobs; for one event loop."""

    def __init__(self, limits: Limits, clock: Callable[[], float] = time.monotonic) -> None:
        self._limits, self._clock = limits, clock
        self._uploads = self._listeners = 0
        self._jobs_left, self._counted = float(limits.jobs_per_minute), clock()

    @contextmanager
    def new_job(self, waiting: int) -> Iterator[None]:
        """Counts a job in the making while the context lasts; `waiting`: the jobs in the queue. Raises Refusal."""
        if self._uploads >= self._limits.uploads:
            raise too_much(f"{self._uploads} uploads are arriving, as many as this server takes", AFTER_UPLOADS_S)
        if waiting + self._uploads >= self._limits.queue:
            raise too_much(f"{waiting} jobs wait, as many as this server takes", AFTER_QUEUE_S)
        self._take_from_rate()
        self._uploads += 1
        try:
            yield
        finally:
            self._uploads -= 1

    @contextmanager
    def listener(self) -> Iterator[None]:
        """Counts a listener to events while the context lasts. Raises Refusal."""
        if self._listeners >= self._limits.listeners:
            raise too_much(f"{self._listeners} listen to events, as many as this server takes", AFTER_LISTENERS_S)
        self._listeners += 1
        try:
            yield
        finally:
            self._listeners -= 1

    def _take_from_rate(self) -> None:
        now, per_s = self._clock(), self._limits.jobs_per_minute / 60
        left = min(self._limits.jobs_per_minute, self._jobs_left + (now - self._counted) * per_s)
        self._jobs_left, self._counted = left, now
        if left < 1:
            most = self._limits.jobs_per_minute
            raise too_much(f"{most} new jobs a minute are as many as this server takes", math.ceil((1 - left) / per_s))
        self._jobs_left -= 1


def too_much(reason: str, after_s: int) -> Refusal:
    """The refusal of what may be asked again later."""
    return Refusal(429, f"{reason[0].upper()}{reason[1:]}; try again in {after_s} s.", {"Retry-After": str(after_s)})
