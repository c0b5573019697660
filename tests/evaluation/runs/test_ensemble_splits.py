"""Folds of several runs."""

import json

import pytest

from pneumoseg.data_io.datasets.layouts import open_dataset
from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.phantoms.generate import write_phantoms
from pneumoseg.evaluation.runs.ensemble_splits import splits_of_runs
from pneumoseg.evaluation.runs.splits import Split


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    write_phantoms(folder, 4, shape=(16, 16, 16))
    return open_dataset(folder)


def run(folder, *folds):
    folder.mkdir()
    names = [f"phantom_{number:03d}" for number in range(1, 5)]
    content = [{"train": [names[n] for n in train], "val": [names[n] for n in test]} for train, test in folds]
    (folder / "splits.json").write_text(json.dumps(content), encoding="utf-8")
    return folder


def test_training_cases_are_those_of_any_run(tmp_path, dataset):
    one = run(tmp_path / "one", ([2, 3], [0]), ([0], [1]))
    two = run(tmp_path / "two", ([1, 3], [0]), ([0], [1]))
    names = [case.name for case in dataset]
    assert splits_of_runs([one, two], dataset) == (
        Split((names[1], names[2], names[3]), (names[0],)),
        Split((names[0],), (names[1],)),
    )


@pytest.mark.parametrize("folds", [[([0], [1]), ([2, 3], [0])], [([2, 3], [0])], [([2, 3], [0]), ([0], [3])]])
def test_other_test_cases_are_refused(tmp_path, dataset, folds):
    one = run(tmp_path / "one", ([2, 3], [0]), ([0], [1]))
    two = run(tmp_path / "two", *folds)
    with pytest.raises(InputError, match="their folds have other cases"):
        splits_of_runs([one, two], dataset)


def test_damaged_and_missing_splits_are_named(tmp_path, dataset):
    with pytest.raises(InputError, match="no run folder of a cross-validation"):
        splits_of_runs([tmp_path], dataset)
    (tmp_path / "splits.json").write_bytes(b"\xff")
    with pytest.raises(InputError, match=r"splits\.json: .*UTF-8"):
        splits_of_runs([tmp_path], dataset)
