"""The quickest of several ways to compute the same, found by timing them on this machine, and kept in a file."""

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pneumoseg.data_io.console import log
from pneumoseg.data_io.storage.atomic import write_json
from pneumoseg.data_io.storage.json_files import read_json
from pneumoseg.pipeline.runtime import hardware

CALLS, TIMED_S = 3, 0.4
"""Timed calls of each way, at least, and their time, where they are quick: their median counts, so that a short
disturbance decides nothing."""


@dataclass(frozen=True)
class MeasuredChoice:
    """`name`: the way that is taken. `seconds`: the median time of a call, by way; ways whose output did not agree have
    none. Empty where nothing was timed."""

    name: str
    seconds: Mapping[str, float]


def quickest(
    ways: Mapping[str, Callable[[], Callable[[], Any]]], *, agrees: Callable[[Any, Any], bool]
) -> MeasuredChoice:
    """Times each way and takes the quickest of those whose output agrees with the first one's.

    Each value of `ways` makes the way ready and returns the call that is timed, after one call that is not; one way is
    ready at a time, so that their memory does not add up. A way that raises RuntimeError is not taken.
    """
    seconds: dict[str, float] = {}
    reference = None
    for name, make_ready in ways.items():
        call = None  # frees the way before
        try:
            call = make_ready()
            output = call()
            if reference is None:
                reference = output
            elif not agrees(output, reference):
                log.debug("%s gives other results than %s and is not taken", name, next(iter(ways)))
                continue
            seconds[name] = median_seconds(call)
        except RuntimeError as error:
            if reference is None:
                raise
            log.debug("%s cannot be used (%s)", name, error)
    return MeasuredChoice(min(seconds, key=seconds.__getitem__), seconds)


def median_seconds(call: Callable[[], object]) -> float:
    """The median wall-clock time of several calls: three, or up to fifteen quick ones, until they have taken 0.4 s."""
    taken: list[float] = []
    while len(taken) < CALLS or (sum(taken) < TIMED_S and len(taken) < 5 * CALLS):
        started = time.perf_counter()
        call()
        taken.append(time.perf_counter() - started)
    return statistics.median(taken)


def in_words(choice: MeasuredChoice) -> str:
    """The choice with its times.

    >>> in_words(MeasuredChoice("int8", {"float32": 0.1551, "int8": 0.069}))
    'int8 (float32 0.155 s, int8 0.069 s)'
    """
    times = ", ".join(f"{name} {seconds:.3g} s" for name, seconds in choice.seconds.items())
    return f"{choice.name} ({times})" if times else choice.name


def recall(path: Path, key: str) -> MeasuredChoice | None:
    """The choice that was kept under `key`, which names all that the times depend on; None where there is none, or
    where the file cannot be read."""
    return recall_all(path).get(key)


def recall_all(path: Path) -> dict[str, MeasuredChoice]:
    """The choices in a file, by key; what cannot be read is left out."""
    choices = {}
    for key, content in _kept(path).items():
        try:
            seconds = {str(name): float(value) for name, value in content["seconds"].items()}
            if content["name"] in seconds:
                choices[key] = MeasuredChoice(content["name"], seconds)
        except (TypeError, KeyError, ValueError, AttributeError, OverflowError):
            continue
    return choices


def known_here(path: Path) -> dict[str, str]:
    """What a file holds of this kind of processor: the choices in words, by key without the processor."""
    here = f"{processor_part()}, "
    return {key.replace(here, ""): in_words(choice) for key, choice in recall_all(path).items() if here in key}


def processor_part() -> str:
    """The part of a key that names the kind of processor."""
    return f"processor {hardware.processor_key()}"


def keep(path: Path, key: str, choice: MeasuredChoice) -> None:
    """Adds the choice to the file; nothing happens where that cannot be written, as it can be measured again."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, _kept(path) | {key: asdict(choice)})
    except (OSError, ValueError) as error:
        log.debug("measured times cannot be kept (%s)", error)


def _kept(path: Path) -> dict[str, Any]:
    try:
        return read_json(path, "measured times", dict)
    except (OSError, ValueError):
        return {}
