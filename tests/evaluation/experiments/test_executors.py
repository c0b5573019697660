"""Folds in other processes."""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor

import pytest

from pneumoseg.evaluation.experiments.cross_validation import cross_validate
from pneumoseg.evaluation.runs.splits import Split
from tests.evaluation.threshold import Threshold

SPLITS = (Split(("b", "c"), ("a",)), Split(("a", "c"), ("b",)))


@pytest.fixture(scope="module")
def pool():
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as executor:
        yield executor


def test_two_folds_in_two_processes(dataset, tmp_path, pool):
    results = cross_validate(dataset, SPLITS, Threshold(), output=tmp_path / "run", executor=pool)
    assert results.complete
    assert (results.detailed["dice"] == 1.0).all()
    log = (tmp_path / "run" / "log.txt").read_text()
    for fold in (0, 1):
        assert log.count(f"fold {fold}: training on") == log.count(f"fold {fold} is finished") == 1
