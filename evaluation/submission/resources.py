"""What each task of an array asks of a cluster."""

import dataclasses
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pneumoseg.data_io.errors import InputError, nearest
from pneumoseg.data_io.storage.text_files import read_text
from pneumoseg.data_io.storage.yaml_text import parse_yaml

TIME = re.compile(r"\d+(:\d\d){0,2}|\d+-\d+(:\d\d){0,2}")
NAME = re.compile(r"[\w.,@+-]+")


@dataclass(frozen=True, kw_only=True)
class Resources:
    """Of each task; None where the cluster decides. `memory_gb`: of 1024^3 bytes; `time`: as SLURM writes it: minutes,
    [hours:]minutes:seconds or days-hours[:minutes[:seconds]]; `max_running`: tasks at a time.

    Raises InputError for a value out of range, and for names and times of other characters: they become lines of a
    script.

    >>> Resources(gpus=1, memory_gb=7.5, time="2:00:00").sbatch_options
    ('--gpus=1', '--mem=7680M', '--time=2:00:00')
    """

    cpus: int | None = None
    gpus: int | None = None
    memory_gb: float | None = None
    time: str | None = None
    partition: str | None = None
    account: str | None = None
    max_running: int | None = None

    def __post_init__(self) -> None:
        for name, kinds, least in (("cpus", int, 1), ("gpus", int, 0), ("max_running", int, 1)):
            value = getattr(self, name)
            if value is not None and (type(value) is not kinds or value < least):
                raise InputError(f"{name} is a whole number from {least} on, found {value}")
        memory_gb = self.memory_gb
        if memory_gb is not None and (type(memory_gb) not in (int, float) or not 0 < memory_gb < math.inf):
            raise InputError(f"memory_gb is a number above 0, found {memory_gb}")
        for name, pattern, example in (
            ("time", TIME, "2:00:00"),
            ("partition", NAME, "gpu"),
            ("account", NAME, "lab"),
        ):
            value = getattr(self, name)
            if value is not None and not (isinstance(value, str) and pattern.fullmatch(value)):
                raise InputError(f"{name} is text such as {example}, found {value!r}")

    @property
    def sbatch_options(self) -> tuple[str, ...]:
        """The options of sbatch, but that of the number of tasks at a time, which is part of the array's."""
        memory = None if self.memory_gb is None else f"{math.ceil(self.memory_gb * 1024)}M"
        options = {
            "cpus-per-task": self.cpus,
            "gpus": self.gpus or None,
            "mem": memory,
            "time": self.time,
            "partition": self.partition,
            "account": self.account,
        }
        return tuple(f"--{name}={value}" for name, value in options.items() if value is not None)


def read_resources(file: Path | None, **given: object) -> Resources:
    """The resources in a YAML file, and on top of them those that are `given` and not None. Raises InputError for a
    file that is no such table, and as `Resources`."""
    content: object = {}
    if file is not None:
        content = parse_yaml(read_text(file, "a file of resources"), f"{file}") or {}
    known = [field.name for field in dataclasses.fields(Resources)]
    if not isinstance(content, Mapping):
        raise InputError(f"{file}: resources are lines such as memory_gb: 16, found {type(content).__name__}")
    if unknown := [f"{name}" for name in content if name not in known]:
        raise InputError(f"{file}: no resource is called {unknown[0]}{nearest(unknown[0], known)}")
    values = {**content, **{name: value for name, value in given.items() if value is not None}}
    if isinstance(values.get("time"), int):
        values["time"] = str(values["time"])  # minutes
    return Resources(**values)
