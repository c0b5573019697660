import numpy as np
import pytest

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.volumes.volume import Grid
from pneumoseg.pipeline.settings.loading import load_settings
from pneumoseg.pipeline.training import cost
from pneumoseg.pipeline.training.cost import estimate


def test_the_published_step_costs_what_its_convolutions_cost():
    grids = [Grid((512, 512, 301), np.diag([0.7, 0.7, 1.0, 1.0]))]
    published = estimate(load_settings("covid-3d-unet"), grids, 5)
    assert published.parameters == 22_587_204
    # 0.94 TFLOP forward for one patch; three times that to train; two patches.
    assert published.step_tflop == pytest.approx(0.94 * 3 * 2, rel=0.02)
    assert published.total_minutes > 5 * published.fold_minutes
    assert published.memory_gb == pytest.approx(10.0, rel=0.2)  # measured: 10.0 GB


@pytest.fixture
def cost_of(monkeypatch):
    """A function from changes to the cost of one training on three volumes of 32 voxels along each axis."""
    monkeypatch.setattr(cost, "_matrix_rate", lambda: 1e9)
    tiny = ["preprocessing.spacing_mm=null", "patches.shape=[16, 16, 16]", "network.filters=[4, 8]"]
    grids = [Grid((32, 32, 32), np.eye(4))] * 3
    return lambda *changes: estimate(load_settings("demo", [*tiny, *changes]), grids, 1)


def test_an_epoch_that_covers_a_grid_or_full_images_costs_its_own_steps(cost_of):
    twelve, grid = cost_of("training.steps_per_epoch=12"), cost_of("patches.sampling=grid")
    assert grid.fold_minutes == pytest.approx(twelve.fold_minutes)  # 3 x 8 tiles, 2 in a batch
    full = cost_of("patches.shape=null", "patches.batch=1")
    assert full.fold_minutes == pytest.approx(grid.fold_minutes)  # 3 images of 8 tiles each


def test_each_mirrored_axis_doubles_the_passes(cost_of):
    once, twice, often = (
        found.total_minutes - found.fold_minutes
        for found in (cost_of(), cost_of("prediction.mirror_axes=[0]"), cost_of("prediction.mirror_axes=[0, 1, 2]"))
    )
    assert twice == pytest.approx(2 * once)
    assert often == pytest.approx(8 * once)


def test_channels_take_room_in_the_store_and_slices_side_by_side_none(cost_of):
    flat = "patches.shape=[16, 16]"
    one, three = cost_of(flat), cost_of(flat, "preprocessing.channels=3")
    voxels = 3 * 32**3
    grown = (three.parameters - one.parameters) * 4 * 4  # a network takes its weights four times
    assert (three.disk_gb - one.disk_gb) * 1e9 == pytest.approx(voxels * 2 * 2 + grown, rel=1e-3)
    beside = cost_of(flat, "patches.neighbours=1")
    assert beside.parameters == three.parameters
    assert (beside.disk_gb - one.disk_gb) * 1e9 == pytest.approx(grown, rel=1e-3)


def test_channels_of_the_batch_count_before_training():
    settings = load_settings("picture-unet", ["patches.batch=8"])
    weights = 4 * 4 * 0.5 * 9 * (64 * 128 + 128 * 256 + 256 * 512 + 512 * 1024)
    pixels = 512 * 512 * 8 * (64 * 4 + 3 * 4 + 1)  # of the first level, of the pictures and of their masks
    with pytest.raises(InputError, match="training"):
        cost.require_settings_memory(settings, 0.999 * (weights + pixels) / 1e9)
    cost.require_settings_memory(settings, 1.001 * (weights + pixels) / 1e9)
