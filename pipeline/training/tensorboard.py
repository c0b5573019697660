"""Scalars for TensorBoard, without TensorFlow and without the name of the machine."""

import itertools
import sys
import time
import types
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# TensorBoard takes its file system from TensorFlow where that is installed, and imports it for that, unless this
# (empty) module exists.
sys.modules.setdefault("tensorboard.compat.notf", types.ModuleType("tensorboard.compat.notf"))
from tensorboard.compat.proto.event_pb2 import Event  # noqa: E402
from tensorboard.compat.proto.summary_pb2 import Summary  # noqa: E402
from tensorboard.summary.writer.record_writer import RecordWriter  # noqa: E402


@contextmanager
def event_log(folder: Path) -> Iterator[RecordWriter]:
    """A writer of events into a new file of `folder`, events.out.tfevents.TIME.NUMBER.

    TensorBoard's own writers would put the host name into the file's name; a run folder names no machine.
    """
    folder.mkdir(parents=True, exist_ok=True)
    begins = f"events.out.tfevents.{int(time.time()):010d}"
    path = next(free for number in itertools.count() if not (free := folder / f"{begins}.{number}").exists())
    with open(path, "xb") as file:
        writer = RecordWriter(file)
        writer.write(Event(wall_time=time.time(), file_version="brain.Event:2").SerializeToString())
        writer.flush()
        yield writer


def log_scalars(writer: RecordWriter, row: dict) -> None:
    """Adds one epoch's row of the history."""
    values = [Summary.Value(tag=name, simple_value=value) for name, value in row.items() if name != "epoch"]
    event = Event(wall_time=time.time(), step=row["epoch"], summary=Summary(value=values))
    writer.write(event.SerializeToString())
    writer.flush()
