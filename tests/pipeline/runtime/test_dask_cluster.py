"""A real scheduler and real workers on loopback."""

import functools
import importlib.metadata
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from pneumoseg.data_io.errors import InputError
from pneumoseg.pipeline.runtime import dask_cluster, worker_checks
from pneumoseg.pipeline.runtime.dask_cluster import AT_ONCE, ClusterPlace, open_cluster
from pneumoseg.pipeline.runtime.spreading import finished
from pneumoseg.pipeline.runtime.worker_checks import ClusterError, WorkerLost


def square(number: int) -> int:
    return number * number


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def die_once(mark: Path) -> int:
    """Ends its process at the first call; after that the number of that process."""
    if not mark.exists():
        mark.write_text(f"{os.getpid()}")
        die()
    return int(mark.read_text())


def die_where(deadly: int, number: int) -> int:
    if number == deadly:
        die()
    return number


@pytest.fixture
def place(loopback_cluster) -> ClusterPlace:
    return ClusterPlace(scheduler=loopback_cluster.scheduler_address)


def test_work_is_done_by_other_processes(place, tmp_path):
    with open_cluster(place, shared=tmp_path) as executor:
        assert executor.at_once() == 2 * AT_ONCE
        futures = [executor.submit(square, number) for number in range(10)]
        assert [future.result(60) for future in futures] == [number**2 for number in range(10)]
        assert executor.submit(os.getpid).result(60) != os.getpid()
        assert executor.submit(os.getenv, "OMP_NUM_THREADS").result(60) == "1"
        with pytest.raises(InputError, match="own words") as error:
            executor.submit(_refuse).result(60)
        assert error.value.options == ("resume",)
    assert list(tmp_path.iterdir()) == []


def _refuse() -> None:
    raise InputError("own words", options=("resume",))


def test_work_of_a_lost_worker_is_done_by_another(place, tmp_path):
    with open_cluster(place, shared=tmp_path) as executor:
        first = executor.submit(die_once, tmp_path / "mark").result(60)
    assert first != os.getpid()


def test_work_that_ends_workers_fails_and_all_other_work_is_done(place, tmp_path):
    with open_cluster(place, shared=tmp_path) as executor:
        ended = dict(finished(executor, functools.partial(die_where, 3), range(8)))
        assert {item: ended[item].result() for item in ended if item != 3} == {n: n for n in range(8) if n != 3}
        with pytest.raises(WorkerLost, match="workers ended while they had it: it crashes them, or takes more memory"):
            ended[3].result()


def test_a_cancelled_future_stays_cancelled(place, tmp_path):
    with open_cluster(place, shared=tmp_path) as executor:
        futures = [executor.submit(time.sleep, 0.2) for _ in range(8)]
        assert futures[-1].cancel()
        assert [future.result(60) for future in futures[:-1]] == [None] * 7
        assert futures[-1].cancelled()


def test_another_version_is_named(place, tmp_path, loopback_cluster):
    def pretend(version: str | None) -> None:
        original = getattr(importlib.metadata, "original_version", importlib.metadata.version)
        importlib.metadata.original_version = original
        other = {} if version is None else {"pneumoseg": version}
        importlib.metadata.version = lambda name: other.get(name) or original(name)

    address = next(iter(loopback_cluster.nthreads()))
    loopback_cluster.run(pretend, "0.0.9", workers=[address])
    try:
        with (
            pytest.raises(ClusterError, match=rf"the worker {address} .*pneumoseg is 0\.0\.9 .* and 0\.1\.0 .* here"),
            open_cluster(place, shared=tmp_path),
        ):
            pass
    finally:
        loopback_cluster.run(pretend, None, workers=[address])


def test_a_worker_without_the_paths_is_refused(place, tmp_path, monkeypatch):
    real = worker_checks.agreement
    elsewhere = tmp_path / "another machine's"

    def agreed(folder, versions, inputs):  # the probe lies where the workers do not see it
        made = real(folder, versions, inputs)
        (folder / worker_checks.PROBE).rename(folder / "hidden")
        return made

    monkeypatch.setattr(dask_cluster, "agreement", agreed)
    with (
        pytest.raises(ClusterError, match=r"shared cannot be read and written there .*mount the same folders"),
        open_cluster(place, shared=tmp_path / "shared"),
    ):
        pass
    assert not elsewhere.exists() and not (tmp_path / "shared").exists()


def test_an_input_with_another_content_is_refused(place, tmp_path, monkeypatch):
    (tmp_path / "ct.nii.gz").write_text("here")
    monkeypatch.setattr(worker_checks, "content_mark", lambda path: "another")
    with (
        pytest.raises(ClusterError, match=r"ct\.nii\.gz has another content there"),
        open_cluster(place, shared=tmp_path, inputs=[tmp_path / "ct.nii.gz"]),
    ):
        pass


def test_workers_without_a_gpu_are_refused_for_work_that_needs_one(place, tmp_path):
    gpu = ClusterPlace(scheduler=place.scheduler, gpu=True)
    with pytest.raises(InputError, match="no worker has a GPU to give"), open_cluster(gpu, shared=tmp_path):
        pass


def test_a_scheduler_that_is_not_there_is_told_soon(tmp_path, monkeypatch):
    import distributed  # noqa: F401  (takes seconds on a busy machine)

    assert dask_cluster.CONNECT_WITHIN_S < 10
    monkeypatch.setattr(dask_cluster, "CONNECT_WITHIN_S", 1.0)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    started = time.monotonic()
    with (
        pytest.raises(InputError, match="no scheduler of Dask answers there") as error,
        open_cluster(ClusterPlace(scheduler=f"tcp://127.0.0.1:{port}"), shared=tmp_path),
    ):
        pass
    assert time.monotonic() - started < 8
    assert error.value.options == ("scheduler",)


def test_a_port_of_another_program_is_told_soon(tmp_path, monkeypatch):
    monkeypatch.setattr(dask_cluster, "CONNECT_WITHIN_S", 2.0)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with (
            pytest.raises(InputError, match="no scheduler of Dask answers there within 2 s"),
            open_cluster(ClusterPlace(scheduler=f"tcp://127.0.0.1:{port}"), shared=tmp_path),
        ):
            pass


def test_a_cluster_without_workers_is_not_waited_for_without_end(tmp_path, monkeypatch):
    from distributed import Scheduler, SpecCluster

    monkeypatch.setattr(dask_cluster, "WORKERS_WITHIN_S", 1.0)
    scheduler = {"cls": Scheduler, "options": {"host": "127.0.0.1", "dashboard": False}}
    with SpecCluster({}, scheduler=scheduler, silence_logs=False) as empty:
        where = ClusterPlace(scheduler=empty.scheduler_address)
        with (
            pytest.raises(InputError, match="the scheduler has no worker for 1 s"),
            open_cluster(where, shared=tmp_path),
        ):
            pass


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificate")
def test_certificates_are_those_of_dasks_configuration(tmp_path):
    import dask
    from distributed import Scheduler, Security, SpecCluster, Worker

    key, cert = tmp_path / "key.pem", tmp_path / "cert.pem"
    making = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=cluster"]
    subprocess.run([*making, "-keyout", key, "-out", cert], check=True, capture_output=True)
    names = {f"distributed.comm.tls.{who}.cert": str(cert) for who in ("client", "scheduler", "worker")}
    names |= {f"distributed.comm.tls.{who}.key": str(key) for who in ("client", "scheduler", "worker")}
    with dask.config.set(names | {"distributed.comm.tls.ca-file": str(cert)}):
        safe = {"security": Security(), "host": "127.0.0.1", "dashboard": False}
        scheduler = {"cls": Scheduler, "options": safe | {"protocol": "tls://"}}
        workers = {0: {"cls": Worker, "options": safe | {"nthreads": 1}}}
        with SpecCluster(workers, scheduler=scheduler, security=Security(), silence_logs=False) as cluster:
            place = ClusterPlace(scheduler=cluster.scheduler_address)
            assert place.scheduler.startswith("tls://")
            with open_cluster(place, shared=tmp_path / "shared") as executor:
                assert executor.submit(square, 3).result(60) == 9
            with (
                dask.config.set({name: None for name in names} | {"distributed.comm.tls.ca-file": None}),
                pytest.raises(InputError, match=r"certificates are set as Dask's configuration says"),
                open_cluster(place, shared=tmp_path / "shared"),
            ):
                pass


def test_dask_is_imported_where_a_cluster_is_asked_for_alone(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)  # as if it were not installed
    with (
        pytest.raises(InputError, match=r"needs dask\.distributed; pip install 'pneumoseg\[cluster\]'"),
        open_cluster(ClusterPlace(workers=1), shared=tmp_path),
    ):
        pass


def test_threads_end_with_the_cluster(place, tmp_path):
    with open_cluster(place, shared=tmp_path):
        assert any("_watch" in thread.name for thread in threading.enumerate())
    deadline = time.monotonic() + 10
    while any("_watch" in thread.name for thread in threading.enumerate()):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_workers_of_this_machine_take_the_gpus_that_are_allowed(monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert dask_cluster._gpu(1) == "1"
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,3")
    assert [dask_cluster._gpu(number) for number in (0, 1)] == ["2", "3"]
    with pytest.raises(InputError, match="CUDA_VISIBLE_DEVICES allows 2; start fewer workers"):
        dask_cluster._gpu(2)
