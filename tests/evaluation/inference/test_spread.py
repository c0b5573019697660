"""CTs over the workers of a real scheduler of Dask on loopback, with a predictor that needs no network."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from pneumoseg.data_io.console import recent
from pneumoseg.data_io.datasets.inputs import find_inputs
from pneumoseg.data_io.errors import InputError
from pneumoseg.evaluation.inference import spread
from pneumoseg.evaluation.inference.batch import PredictionOptions, Result, predict_files
from pneumoseg.evaluation.inference.outputs import place_outputs
from pneumoseg.evaluation.inference.spread import PredictorRequest, spread_predictions
from pneumoseg.pipeline.models.bundled import bundled_model
from pneumoseg.pipeline.prediction.engines import Engine
from pneumoseg.pipeline.prediction.predictor import Member, Predictor
from pneumoseg.pipeline.runtime import dask_cluster
from pneumoseg.pipeline.runtime.dask_cluster import ClusterPlace, open_cluster
from pneumoseg.pipeline.runtime.executors import SerialExecutor, background_threads
from pneumoseg.pipeline.runtime.worker_checks import ClusterError
from pneumoseg.pipeline.settings.loading import load_settings

DEADLY_HU = 2000
"""A CT with such a voxel ends the process that computes it, as one that takes too much memory does."""


@dataclass(frozen=True)
class Brightness:
    """Infection above -500 HU, left lung above -900. `pause_s`: of each CT; `sha256`: the model's that is found;
    `expected`: that which was there when the work began."""

    pause_s: float = 0.0
    sha256: str = "hash"
    expected: str = "hash"

    @property
    def models(self) -> Mapping[str, str]:
        return {"model": self.expected}

    def open(self) -> Predictor:
        changes = ["patches.shape=[8, 8, 8]", "preprocessing.spacing_mm=null", "preprocessing.normalisation=none"]
        member = Member(Engine("test", "float32", self._network), load_settings("demo", changes))
        return Predictor((member,), {"model": self.sha256})

    def calibration(self) -> str:
        return "none"

    def _network(self, tiles: np.ndarray) -> np.ndarray:
        if tiles.max() >= 1:
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(self.pause_s)
        classes = np.array([0, 1, 3])[np.digitize(tiles[..., 0], [350 / 1500, 750 / 1500])]
        return np.eye(4, dtype=np.float32)[classes]


def write_cts(folder: Path, count: int) -> Path:
    folder.mkdir()
    for number in range(count):
        array = np.full((6, 5, 7), -800, np.int16)
        array[0], array[5, :, : number % 7] = -1000, -100
        nib.save(nib.Nifti1Image(array, np.diag([1.0, 2.0, 5.0, 1.0])), folder / f"ct_{number:02d}.nii.gz")
    return folder


def spread_over(executor, cts, output, request=None, *, keep_going=False, resume=False, overwrite=False):
    outputs = place_outputs(find_inputs([cts]), output, resume=resume, overwrite=overwrite)
    options = PredictionOptions(keep_going=keep_going)
    return spread_predictions(outputs, request or Brightness(), executor=executor, options=options, overwrite=overwrite)


def in_one_process(cts, output) -> list[Result]:
    outputs = place_outputs(find_inputs([cts]), output)
    return predict_files(outputs, Brightness().open(), options=PredictionOptions(calibration="none"))


def assert_same_masks(folder: Path, other: Path, count: int) -> None:
    names = sorted(path.name for path in folder.glob("*.nii.gz"))
    assert names == sorted(path.name for path in other.glob("*.nii.gz"))
    assert len(names) == count
    for name in names:
        one, two = (np.asarray(nib.load(place / name).dataobj) for place in (folder, other))
        np.testing.assert_array_equal(one, two)
        manifest = json.loads((folder / f"{name}.json").read_text())
        assert manifest["source"] == name
    assert not [path for path in folder.rglob(".*") if path.parent.name != "logs"]  # there lie locks


def times_written(output: Path) -> list[int]:
    """How often each CT was written, by the logs of all pieces of work."""
    logs = sorted((output / "logs").glob("[!.]*.log"))
    return [path.read_text().count(f"{path.stem}.nii.gz -> ") for path in logs]


@pytest.fixture(autouse=True)
def no_message_of_an_earlier_test():
    recent.buffer.clear()  # it would be written to the first log of this one


@pytest.fixture
def place(loopback_cluster) -> ClusterPlace:
    return ClusterPlace(scheduler=loopback_cluster.scheduler_address)


def kill_when(output: Path, masks: int, pid: int) -> threading.Thread:
    """Kills a process when so many masks are there."""

    def wait() -> None:
        deadline = time.monotonic() + 600
        while len(list(output.glob("[!.]*.nii.gz"))) < masks and time.monotonic() < deadline:
            time.sleep(0.005)
        os.kill(pid, signal.SIGKILL)

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    return thread


def test_in_one_process_the_results_are_those_of_predict_files(tmp_path):
    cts = write_cts(tmp_path / "cts", 3)
    found = spread_over(SerialExecutor(), cts, tmp_path / "out")
    expected = in_one_process(cts, tmp_path / "straight")
    assert [result.source for result in found] == [result.source for result in expected]
    assert [result.output.mask for result in found] == [tmp_path / "out" / f"ct_0{n}.nii.gz" for n in range(3)]
    without = {"seconds", "tile_seconds"}
    for one, other in zip(found, expected, strict=True):
        assert {key: one.manifest[key] for key in one.manifest.keys() - without} == {
            key: other.manifest[key] for key in other.manifest.keys() - without
        }
    assert_same_masks(tmp_path / "out", tmp_path / "straight", 3)
    assert times_written(tmp_path / "out") == [1, 1, 1]
    assert f"{tmp_path}" not in (tmp_path / "out" / "logs" / "ct_00.log").read_text()


def test_masks_that_are_there_are_kept_or_made_again(tmp_path):
    cts, output = write_cts(tmp_path / "cts", 2), tmp_path / "out"
    spread_over(SerialExecutor(), cts, output)
    (output / "ct_01.nii.gz").unlink()
    spread_over(SerialExecutor(), cts, output, resume=True)
    assert times_written(output) == [1, 2]
    spread_over(SerialExecutor(), cts, output, overwrite=True)
    assert times_written(output) == [2, 3]


def test_a_bad_ct_ends_the_work_or_is_passed_over(tmp_path):
    cts = write_cts(tmp_path / "cts", 3)
    (cts / "ct_01.nii.gz").write_bytes((cts / "ct_01.nii.gz").read_bytes()[:90])
    with pytest.raises(InputError, match=r"ct_01\.nii\.gz"):
        spread_over(SerialExecutor(), cts, tmp_path / "out")
    results = spread_over(SerialExecutor(), cts, tmp_path / "out", keep_going=True, resume=True)
    assert [result.error is None for result in results] == [True, False, True]
    assert "ct_01.nii.gz" in results[1].error
    assert not (tmp_path / "out" / "ct_01.nii.gz").exists()


def test_a_model_that_changed_under_way_ends_the_work(tmp_path):
    cts = write_cts(tmp_path / "cts", 2)
    with pytest.raises(ClusterError, match="the model model is another one on a worker than when the work began"):
        spread_over(SerialExecutor(), cts, tmp_path / "out", Brightness(sha256="another"), keep_going=True)
    assert not list((tmp_path / "out").glob("*.nii.gz"))


def test_a_model_that_a_worker_cannot_open_ends_the_work(tmp_path, monkeypatch):
    def absent(self):
        raise InputError("models/run: no model there", options=("model",))

    monkeypatch.setattr(Brightness, "open", absent)
    with pytest.raises(ClusterError, match="a worker cannot open the model: models/run: no model there") as error:
        spread_over(
            SerialExecutor(), write_cts(tmp_path / "cts", 2), tmp_path / "out", Brightness(3.0), keep_going=True
        )
    assert error.value.options == ("model",)


def test_a_worker_opens_its_predictor_once(tmp_path, monkeypatch):
    opened = []
    real = Brightness.open

    def counted(self):
        opened.append(self)
        return real(self)

    monkeypatch.setattr(Brightness, "open", counted)
    spread_over(SerialExecutor(), write_cts(tmp_path / "cts", 3), tmp_path / "out", Brightness(pause_s=1e-6))
    assert len(opened) == 1


def test_two_processes_do_not_make_one_mask_at_a_time(tmp_path):
    """A worker that was given up, but lives on: the second waits, and keeps what the first has made."""
    cts, output = write_cts(tmp_path / "cts", 1), tmp_path / "out"
    order = spread._Order(Brightness(pause_s=0.2), PredictionOptions(), keep=True)
    ((source, place),) = place_outputs(find_inputs([cts]), output).items()
    with background_threads(2) as threads:
        one, other = threads.map(spread._predict_one, [(source, place, order)] * 2)
    assert one == other
    assert times_written(output) == [1]


def test_a_request_for_other_processes_names_bundled_models_and_the_files_hashes():
    request = PredictorRequest(
        paths=(bundled_model("covid-picture"),), folds=None, changes=(), trust_plugins=False, engine="auto",
        precision="float32", threads=1,
    ).elsewhere()  # fmt: skip
    assert request.paths == ("covid-picture",)
    assert [len(sha256) for sha256 in request.models.values()] == [64]
    assert hash(request) == hash(request.elsewhere())


def test_a_killed_worker_costs_no_mask_and_makes_none_twice(place, loopback_cluster, tmp_path):
    cts, output = write_cts(tmp_path / "cts", 40), tmp_path / "out"
    in_one_process(cts, tmp_path / "straight")
    pid = next(iter(loopback_cluster.run(os.getpid).values()))
    killer = kill_when(output, 5, pid)
    with open_cluster(place, shared=output, inputs=[*find_inputs([cts]).values()]) as executor:
        results = spread_over(executor, cts, output, Brightness(pause_s=0.05))
    killer.join()
    assert [result.error for result in results] == [None] * 40
    assert_same_masks(output, tmp_path / "straight", 40)
    assert times_written(output) == [1] * 40


def test_a_ct_that_ends_its_workers_fails_alone(place, tmp_path):
    cts, output = write_cts(tmp_path / "cts", 6), tmp_path / "out"
    ct = nib.load(cts / "ct_02.nii.gz")
    nib.save(nib.Nifti1Image(np.full((6, 5, 7), DEADLY_HU, np.int16), ct.affine), cts / "ct_02.nii.gz")
    with open_cluster(place, shared=output) as executor:
        results = spread_over(executor, cts, output, keep_going=True)
    errors = [result.error for result in results]
    assert [error is None for error in errors] == [True, True, False, True, True, True]
    assert "ct_02.nii.gz: " in errors[2]
    assert "workers ended while they had it" in errors[2]
    assert len(list(output.glob("[!.]*.nii.gz"))) == 5


def test_a_killed_scheduler_is_told_and_the_rest_is_made_without_it(tmp_path, monkeypatch):
    monkeypatch.setattr(dask_cluster, "WORKERS_WITHIN_S", 600.0)  # on a busy machine
    cts, output, file = write_cts(tmp_path / "cts", 12), tmp_path / "out", tmp_path / "scheduler.json"
    dask = [sys.executable, "-m", "dask"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    at_home = ["--host", "127.0.0.1", "--scheduler-file", str(file), "--no-dashboard"]
    path = os.pathsep.join(filter(None, sys.path))
    environment = os.environ | {"PYTHONPATH": path}
    scheduler = subprocess.Popen([*dask, "scheduler", "--port", "0", *at_home], env=environment, **quiet)
    worker = subprocess.Popen([*dask, "worker", "--nthreads", "1", *at_home, "--no-nanny"], env=environment, **quiet)
    try:
        deadline = time.monotonic() + 300
        while not file.is_file():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        killer = kill_when(output, 3, scheduler.pid)
        with (
            pytest.raises(ClusterError, match="the connection to the scheduler was lost") as error,
            open_cluster(ClusterPlace(scheduler=str(file)), shared=output) as executor,
        ):
            spread_over(executor, cts, output, Brightness(pause_s=0.2), keep_going=True)
        killer.join()
    finally:
        for process in (scheduler, worker):
            process.kill()
            process.wait()
    assert error.value.options == ("resume",)
    made = {path: path.stat().st_mtime_ns for path in output.glob("[!.]*.nii.gz")}
    assert 3 <= len(made) < 12
    in_one_process(cts, tmp_path / "straight")
    spread_over(SerialExecutor(), cts, output, resume=True)
    assert_same_masks(output, tmp_path / "straight", 12)
    assert {path: path.stat().st_mtime_ns for path in made} == made


def test_dask_is_not_imported_without_a_cluster():
    program = (
        "import sys\n"
        "import pneumoseg.evaluation.inference.spread, pneumoseg.evaluation.experiments.mask_evaluation\n"
        "import pneumoseg.pipeline.runtime.dask_cluster, pneumoseg.scripts.predict, pneumoseg.scripts.kfold\n"
        "print(sorted({'dask', 'distributed'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_cached_predictor_is_that_of_the_last_request():
    assert spread._opened.cache_info().maxsize == 1
