"""Scalars for TensorBoard, without TensorFlow and without the name of the machine."""

import itertools
import sys
import types
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# TensorBoard takes its file system from TensorFlow where that is installed, and imports it for that, unless this
# (empty) module exists.
sys.modules.setdefault("tensorboard.compat.notf", types.ModuleType("tensorboard.compat.notf"))
from tensorboard.summary import Writer  # noqa: E402


@contextmanager
def event_log(folder: Path) -> Iterator[Writer]:
    """A writer of events into `folder`.

    TensorBoard names its files events.out.tfevents.TIME.HOST.PROCESS.0; a run folder names no machine, so that they
    are renamed in the end to events.out.tfevents.TIME.NUMBER.
    """
    writer = Writer(str(folder))
    try:
        yield writer
    finally:
        writer.close()
        named = sorted(path for path in folder.glob("events.out.tfevents.*") if len(path.name.split(".")) > 5)
        for path in named:
            stem = ".".join(path.name.split(".")[:4])
            path.rename(next(free for n in itertools.count() if not (free := path.with_name(f"{stem}.{n}")).exists()))


def log_scalars(writer: Writer, row: dict) -> None:
    """Adds one epoch's row of the history."""
    for name, value in row.items():
        if name != "epoch":
            writer.add_scalar(name, value, row["epoch"])
    writer.flush()
