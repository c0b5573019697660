import pytest

from pneumoseg.data_io.errors import InputError
from pneumoseg.pipeline.runtime import dask_cluster
from pneumoseg.scripts.shared.cluster_options import cluster_of


def opened(scheduler=None, workers=None, insecure=False, **flags):
    with cluster_of(scheduler, workers, insecure, **({"shared": "out", "inputs": ["ct"]} | flags)) as cluster:
        return cluster


@pytest.fixture
def places(monkeypatch):
    asked = []

    class Opened:
        def __init__(self, place, **options):
            asked.append((place, options))

        def __enter__(self):
            return "workers"

        def __exit__(self, *error):
            return None

    monkeypatch.setattr(dask_cluster, "open_cluster", Opened)
    return asked


def test_without_flags_there_is_no_cluster(places):
    assert opened() is None
    assert places == []


def test_flags_say_where_the_workers_are(places):
    assert opened("tcp://node:8786", insecure=True) == "workers"
    assert opened(workers=3, threads=2, device="gpu") == "workers"
    assert [place for place, _ in places] == [
        dask_cluster.ClusterPlace(scheduler="tcp://node:8786", insecure=True),
        dask_cluster.ClusterPlace(workers=3, threads=2, gpu=True),
    ]
    assert places[0][1] == {"shared": "out", "inputs": ["ct"]}


def test_flags_that_contradict_each_other_are_refused(places):
    with pytest.raises(InputError, match="give one of them") as error:
        opened("tcp://127.0.0.1:8786", workers=2)
    assert error.value.options == ("scheduler", "workers")
    with pytest.raises(InputError, match="nothing to connect to"):
        opened(insecure=True)
    with pytest.raises(InputError, match="start them with CUDA_VISIBLE_DEVICES=-1"):
        opened("tcp://127.0.0.1:8786", device="cpu")
    assert places == []
