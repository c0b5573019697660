"""TensorBoard's files: readable by it, and without the name of the machine whatever ends the process."""

import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

import pneumoseg
from pneumoseg.pipeline.training.tensorboard import event_log, log_scalars

ROWS = [{"epoch": 0, "loss": 0.5, "val_loss": 0.75}, {"epoch": 1, "loss": 0.25, "val_loss": 0.625}]


def scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """Steps and values by name, as TensorBoard reads them."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    read = EventAccumulator(str(folder))
    read.Reload()
    tags = read.Tags()
    found = {name: [(event.step, event.value) for event in read.Scalars(name)] for name in tags["scalars"]}
    assert not tags["tensors"]
    return found


def test_tensorboard_reads_every_epoch_back(tmp_path):
    with event_log(tmp_path / "logs") as writer:
        for row in ROWS:
            log_scalars(writer, row)
    assert scalars(tmp_path / "logs") == {"loss": [(0, 0.5), (1, 0.25)], "val_loss": [(0, 0.75), (1, 0.625)]}


def test_two_logs_of_one_second_have_a_file_each(tmp_path):
    for _ in range(3):
        with event_log(tmp_path) as writer:
            log_scalars(writer, ROWS[0])
    assert len({path.name for path in tmp_path.iterdir()}) == 3


@pytest.mark.parametrize("ending", ["os.kill(os.getpid(), signal.SIGKILL)", "raise SystemExit(0)"])
def test_no_file_names_the_machine_whatever_ends_the_process(tmp_path, ending):
    code = (
        "import os, signal, socket, sys\nsocket.gethostname = lambda: 'ward-7-workstation'\nfrom pathlib import Path\n"
        "from pneumoseg.pipeline.training.tensorboard import event_log, log_scalars\n"
        f"with event_log(Path(sys.argv[1])) as writer:\n    log_scalars(writer, {ROWS[0]})\n    {ending}\n"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path], check=False, cwd=Path(pneumoseg.__file__).parent)
    assert done.returncode in (0, -signal.SIGKILL)
    (path,) = tmp_path.iterdir()
    assert re.fullmatch(r"events\.out\.tfevents\.\d{10,}\.\d+", path.name)
    assert b"ward-7-workstation" not in path.read_bytes()
    assert socket.gethostname() not in path.name.split(".")
    assert scalars(tmp_path)["loss"] == [(0, 0.5)]
