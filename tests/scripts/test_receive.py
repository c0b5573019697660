"""`pneumoseg receive` from outside."""

import subprocess
import sys
from pathlib import Path

import numpy as np

from pneumoseg.data_io.phantoms.dicom_series import write_series
from pneumoseg.data_io.volumes.volume import Volume
from tests.data_io.formats.dicom.test_receiving import send

ROOT = Path(__file__).parents[2]


def test_the_command_says_where_it_listens_and_stores(tmp_path):
    (tmp_path / "in").mkdir()
    volume = Volume.from_source(np.zeros((16, 16, 2), np.int16), np.eye(4))
    files = sorted(write_series(tmp_path / "ct", volume).iterdir())
    command = [sys.executable, "-m", "pneumoseg.scripts.cli", "receive", tmp_path / "in", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        line = process.stdout.readline()
        assert line.startswith("PNEUMOSEG listens on 127.0.0.1:")
        assert send(int(line.rpartition(":")[2]), files) == [0, 0]
        process.terminate()
    assert len(list((tmp_path / "in").glob("*/*.dcm"))) == 2


def test_a_missing_folder_is_one_line(tmp_path, pneumoseg):
    assert "no such folder" in pneumoseg("receive", tmp_path / "none", code=2).stderr
