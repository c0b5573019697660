"""`--dry-run`: settings and an estimate, as text and as JSON."""

import json

import pytest

from pneumoseg.data_io.datasets.layouts import open_dataset
from pneumoseg.scripts.shared.dry_run import print_estimate
from pneumoseg.scripts.shared.options import settings_of


@pytest.fixture
def cost(monkeypatch):
    """An estimate that takes no time: a minute for each voxel along x of the first case."""
    from pneumoseg.pipeline.training.cost import Cost

    def estimate(settings, grids, folds):
        minutes = float(grids[0].shape[0])
        return Cost(
            parameters=1234,
            step_tflop=0.5,
            fold_minutes=minutes,
            total_minutes=folds * minutes,
            memory_gb=1.5,
            disk_gb=0.25,
        )

    monkeypatch.setattr("pneumoseg.pipeline.training.cost.estimate", estimate)


def test_text(phantoms, cost, capsys):
    print_estimate(settings_of("demo"), open_dataset(phantoms), 2, json=False)
    lines = capsys.readouterr().out.splitlines()
    assert lines[-3:] == [
        "4 cases, 2 trainings, network of 1,234 parameters",
        "estimate on this processor: 32 min a training, 64 min in all,",
        "1.5 GB of memory, 0.25 GB of disk",
    ]


def test_json(phantoms, cost, capsys):
    print_estimate(settings_of("demo", seed=5), open_dataset(phantoms), 2, json=True)
    content = json.loads(capsys.readouterr().out)
    assert content["settings"]["seed"] == 5
    assert content["estimate"]["total_minutes"] == 64


def test_a_slice_is_counted_as_a_slice(phantoms, monkeypatch, capsys):
    from pneumoseg.data_io.datasets.slices import slice_cases
    from pneumoseg.pipeline.training.cost import estimate

    shapes = []

    def counted(settings, grids, folds):
        shapes.extend(grid.shape for grid in grids)
        return estimate(settings, grids, folds)

    monkeypatch.setattr("pneumoseg.pipeline.training.cost.estimate", counted)
    dataset = slice_cases(open_dataset(phantoms), 2, foreground=None, labels=4)
    print_estimate(settings_of("demo", ["patches.shape=[32, 32]", "network.filters=[4, 8]"]), dataset, 2, json=True)
    assert shapes == [(32, 32, 1)] * (4 * 24)
    assert json.loads(capsys.readouterr().out)["estimate"]["total_minutes"] > 0
