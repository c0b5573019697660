"""Folds in other processes."""

import multiprocessing
import os
import signal
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

import pytest
from pandas.testing import assert_frame_equal

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.volumes.labels import LUNG_LABELS
from pneumoseg.evaluation.experiments.cross_validation import cross_validate
from pneumoseg.evaluation.experiments.mask_task import MaskTask
from pneumoseg.evaluation.runs.splits import Split
from pneumoseg.pipeline.runtime.dask_cluster import ClusterPlace, open_cluster
from pneumoseg.pipeline.runtime.executors import SerialExecutor
from tests.evaluation.threshold import Threshold


@dataclass(frozen=True)
class Undrawn(MaskTask):
    """Without pictures of single cases, in whichever process a fold is computed: they take most of the time."""

    def draw(self, folder, case, prediction, *, title):
        pass


TASK = Undrawn(LUNG_LABELS)
SPLITS = (Split(("b", "c"), ("a",)), Split(("a", "c"), ("b",)))


@pytest.fixture(scope="module")
def pool():
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as executor:
        yield executor


def test_two_folds_in_two_processes(dataset, tmp_path, pool, without_pictures):
    results = cross_validate(dataset, SPLITS, Threshold(), output=tmp_path / "run", task=TASK, executor=pool)
    assert results.complete
    assert (results.detailed["dice"] == 1.0).all()
    log = (tmp_path / "run" / "log.txt").read_text()
    for fold in (0, 1):
        assert log.count(f"fold {fold}: training on") == log.count(f"fold {fold} is finished") == 1


@dataclass(frozen=True)
class Interrupted(Threshold):
    """Its first training of fold 0 ends its process when it has begun."""

    def fit(self, cases, folder, *, resume=False, start_from=None):
        begun = (folder / "history.csv").is_file()
        names = super().fit(cases, folder, resume=resume, start_from=start_from)
        if folder.name == "fold_0" and not begun:
            os.kill(os.getpid(), signal.SIGKILL)
        return names


def test_a_fold_whose_worker_was_lost_goes_on_in_another(dataset, tmp_path, loopback_cluster, without_pictures):
    place = ClusterPlace(scheduler=loopback_cluster.scheduler_address)
    expected = cross_validate(dataset, SPLITS, Threshold(), output=tmp_path / "alone", task=TASK)
    with open_cluster(place, shared=tmp_path) as executor:
        results = cross_validate(dataset, SPLITS, Interrupted(), output=tmp_path / "run", task=TASK, executor=executor)
    assert results.complete
    assert_frame_equal(results.detailed, expected.detailed)
    assert "fold 0 is finished" in (tmp_path / "run" / "fold_0" / "log.txt").read_text()


def test_a_fold_that_was_begun_is_refused_unless_it_is_resumed(dataset, tmp_path, without_pictures):
    output = tmp_path / "run"
    cross_validate(dataset, SPLITS, Threshold(), output=output, folds=[0], executor=SerialExecutor())
    with pytest.raises(InputError, match="fold_0: the fold is finished"):
        cross_validate(dataset, SPLITS, Threshold(), output=output, folds=[0], executor=SerialExecutor())
    (output / "fold_0" / "metrics.csv").unlink()
    with pytest.raises(InputError, match="the fold was begun; resume it or overwrite it"):
        cross_validate(dataset, SPLITS, Threshold(), output=output, folds=[0, 1], executor=SerialExecutor())
    results = cross_validate(dataset, SPLITS, Threshold(), output=output, resume=True, executor=SerialExecutor())
    assert results.complete
