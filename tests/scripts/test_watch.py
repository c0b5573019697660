"""`pneumoseg watch` from outside: killed and started again, everything comes out once."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
from pydicom import dcmread

from pneumoseg.data_io.formats.reading import read_volume
from pneumoseg.data_io.phantoms.dicom_series import write_series
from pneumoseg.data_io.volumes.volume import Volume
from tests.scripts.test_predict import model  # noqa: F401

SERIES, SHAPE = 8, (40, 40, 12)
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(__file__)))


def test_a_watcher_killed_twice_segments_each_series_once(model, tmp_path, pneumoseg):  # noqa: F811
    rng = np.random.default_rng(0)
    for number in range(SERIES):
        array = rng.integers(-1000, 400, SHAPE).astype(np.int16)
        volume = Volume.from_source(array, np.diag([4.0, 4.0, 5.0, 1.0]))
        write_series(tmp_path / "in" / f"ct_{number:02d}", volume, patient_id=f"{number}")
    flags = ["--model", model, "--precision", "float32", "--settle", "0.1", "--sr"]
    arguments = ["watch", tmp_path / "in", "-o", tmp_path / "out", *flags]
    for least in (2, 5):
        process = subprocess.Popen(
            [sys.executable, "-m", "pneumoseg.scripts.cli", *map(str, arguments)],
            stderr=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            cwd=ROOT,
            start_new_session=True,
        )
        deadline = time.monotonic() + 120
        while len(list((tmp_path / "out").glob("ct_*.seg.dcm"))) < least:
            assert process.poll() is None, "ended before it could be killed"
            assert time.monotonic() < deadline
            time.sleep(0.005)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    stamps = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("ct_*.seg.dcm")}
    done = pneumoseg(*arguments, "--once", "--json")

    assert all(json.loads(line)["error"] is None for line in done.stdout.splitlines())
    assert sorted(path.name for path in (tmp_path / "in/done").iterdir()) == [f"ct_{n:02d}" for n in range(SERIES)]
    assert [path.name for path in (tmp_path / "in").iterdir() if not path.name.startswith(".")] == ["done"]
    for ending in ("seg.dcm", "seg.dcm.json", "sr.dcm"):
        assert len(list((tmp_path / "out").glob(f"ct_??.{ending}"))) == SERIES
    assert len(list((tmp_path / "out").iterdir())) == 3 * SERIES
    assert {path: path.stat().st_mtime_ns for path in stamps} == stamps
    for path in sorted((tmp_path / "out").glob("ct_*.seg.dcm")):
        header = dcmread(path)
        name = path.name.removesuffix(".seg.dcm")
        assert header.PatientID == f"{int(name[-2:])}"
        assert read_volume(path).grid.shape == SHAPE
        assert dcmread(path.with_name(f"{name}.sr.dcm")).PatientID == header.PatientID


def test_a_report_needs_a_segmentation(tmp_path, pneumoseg):
    done = pneumoseg("watch", tmp_path, "-o", tmp_path / "out", "--format", "nii.gz", "--sr", code=2)
    assert "a structured report refers to a DICOM segmentation" in done.stderr
