"""Fixtures that several folders of tests share."""

import gc
import os
from pathlib import Path

import pytest

if "PYTEST_XDIST_WORKER" in os.environ:  # workers that each use all cores wait for one another: half as fast
    for _name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(_name, "1")

from pneumoseg.pipeline.runtime.measured_choice import MeasuredChoice


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """Half a million objects of the imported packages stay: Python looks for no garbage while they are made, nor
    through them afterwards."""
    gc.disable()
    try:
        result = yield
        import hypothesis  # noqa: F401  (imported later, it would take frozen objects of trio's for garbage)

        gc.freeze()
        return result
    finally:
        gc.enable()


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Contents of files are numbered in test names: compressed ones hold the time, which differs between workers."""
    return argname if isinstance(val, bytes) and len(val) > 30 else None


@pytest.fixture
def real_data() -> Path:
    """The folder of real CTs named by PNEUMOSEG_REAL_DATA; the test is skipped where there is none."""
    folder = os.environ.get("PNEUMOSEG_REAL_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("PNEUMOSEG_REAL_DATA names no folder of real CTs")
    return Path(folder)


@pytest.fixture
def without_case_pictures(monkeypatch):
    """Drawing takes most of the time of such small runs: the report is made without pictures of single cases, and its
    other figures are blank."""
    from tests.blank_figures import draw_nothing  # imports matplotlib, which few tests need

    draw_nothing(monkeypatch)


@pytest.fixture
def unrendered(monkeypatch):
    """Figures are made but not rendered, which takes most of the time."""
    from matplotlib.figure import Figure

    from tests.blank_figures import save_blank

    monkeypatch.setattr(Figure, "savefig", save_blank)


@pytest.fixture(autouse=True)
def float32_without_timing(request, monkeypatch):
    """Opening a model takes seconds longer where precisions are timed: only tests marked `timed` do that, others
    predict in float32."""
    if request.node.get_closest_marker("timed") is None:
        first = "pneumoseg.pipeline.prediction.precision_choice.quickest"
        monkeypatch.setattr(first, lambda ways, **options: MeasuredChoice(next(iter(ways)), {}))


@pytest.fixture(scope="session")
def loopback_cluster():
    """A client of a real scheduler of Dask with two workers of one thread each, which begin again when they end."""
    import dask
    import distributed  # noqa: F401  (sets levels of its logs, which are changed below)

    from pneumoseg.pipeline.runtime import dask_cluster

    with (
        dask.config.set({"distributed.worker.multiprocessing-method": "forkserver"}),  # they begin at once
        dask_cluster._quiet(),
        dask_cluster._local(dask_cluster.ClusterPlace(workers=2, threads=1)) as client,
    ):
        client.scheduler_address = client.scheduler.address
        yield client
