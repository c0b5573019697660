"""Batches and tiles are held to the memory there is; results do not depend on the batch."""

import numpy as np
import pytest

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.volumes.volume import Volume
from pneumoseg.pipeline.models.model_file import TrainedModel, save_model
from pneumoseg.pipeline.networks.registry import build_network
from pneumoseg.pipeline.prediction import forward_memory
from pneumoseg.pipeline.prediction.predictor import open_predictor
from pneumoseg.pipeline.runtime import hardware
from pneumoseg.pipeline.settings.loading import load_settings
from pneumoseg.pipeline.training import cost

TINY = ("patches.shape=[16, 16, 8]", "network.filters=[4, 8]")


@pytest.fixture
def memory_gb(monkeypatch):
    """A function that sets how much memory there is; no GPU."""
    monkeypatch.setattr(hardware, "gpu_present", lambda: False)
    return lambda amount: monkeypatch.setattr(hardware, "memory_gb", lambda: amount)


def test_the_estimate_of_a_tile_is_of_the_measured_size():
    """The network of covid-3d-unet takes 1 to 2 GB for a tile of 160 x 160 x 80, beside what the process takes."""
    settings = load_settings("covid-3d-unet")
    assert 1.0 < forward_memory.tile_gb(settings, settings.patches.shape) < 2.0


@pytest.mark.parametrize(
    ("preset", "changes", "batch"),
    [
        ("covid-3d-unet-cpu", [], 1),
        ("covid-3d-unet-cpu", ["prediction.batch=4"], 4),
        ("covid-2d-unet-cpu", [], 16),
        ("covid-3d-unet", ["prediction.batch=20000"], 1),
        ("demo", [*TINY, "prediction.batch=64"], 64),
        ("demo", ["patches.shape=null", "patches.batch=1", "prediction.batch=20000"], 1),
    ],
)
def test_ordinary_batches_stay_and_absurd_ones_are_lowered(memory_gb, preset, changes, batch):
    memory_gb(24.0)
    settings = load_settings(preset, changes)
    assert forward_memory.fitting_batch(settings) == batch
    assert forward_memory.with_fitting_batch(settings).prediction.batch == batch


@pytest.mark.parametrize("batch", [20_000, 1_000_000])
def test_a_lowered_batch_takes_little(memory_gb, batch):
    memory_gb(24.0)
    settings = load_settings("demo", [*TINY, f"prediction.batch={batch}"])
    lowered = forward_memory.fitting_batch(settings)
    assert 1 <= lowered < batch
    assert lowered * forward_memory.tile_gb(settings, settings.patches.shape) <= 0.1


@pytest.fixture
def model(tmp_path, monkeypatch):
    monkeypatch.setenv("PNEUMOSEG_CACHE", str(tmp_path / "cache"))

    def save(*changes):
        network = build_network(load_settings("demo", TINY))
        save_model(tmp_path / "model.keras", TrainedModel(network, load_settings("demo", [*TINY, *changes])))
        return tmp_path / "model.keras"

    return save


def test_a_model_s_batch_of_thousands_is_lowered_and_changes_nothing(model, memory_gb, caplog):
    memory_gb(24.0)
    path = model("prediction.batch=20000")
    hu = np.random.default_rng(1).integers(-1000, 100, (40, 40, 20)).astype(np.int16)
    ct = Volume.from_source(hu, np.diag([4.0, 4.0, 5.0, 1.0]))
    with caplog.at_level("WARNING", logger="pneumoseg"):
        lowered = open_predictor(path, engine="keras", precision="float32")
    one = open_predictor(path, changes=["prediction.batch=1"], engine="keras", precision="float32")
    np.testing.assert_array_equal(lowered(ct).array, one(ct).array)
    assert lowered.settings.prediction.batch == 20_000  # what the record of a mask says


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["patches.shape=[4096, 4096, 4096]"], r"a tile of \[4096, 4096, 4096\].* GB of memory"),
        (["network.filters=[1000000, 1000000]"], "with 1000000 filters"),
    ],
)
def test_a_tile_that_would_not_fit_is_refused(model, memory_gb, changes, message):
    memory_gb(24.0)
    with pytest.raises(InputError, match=message):
        open_predictor(model(*changes))


@pytest.mark.parametrize(
    "changes", [["preprocessing.spacing_mm=[0.05, 0.05, 0.05]"], ["preprocessing.spacing_mm=null"]]
)
def test_a_grid_that_would_not_fit_is_refused(model, memory_gb, changes):
    memory_gb(24.0)
    predictor = open_predictor(model(*changes), engine="keras")
    ct = Volume.from_source(np.zeros((64, 64, 40), np.int16), np.diag([5.0, 5.0, 8.0, 1.0]))
    if "null" in changes[0]:
        assert predictor(ct).array.shape == ct.array.shape
        return
    with pytest.raises(InputError, match=r"at the network's spacing, preprocessing\.spacing_mm: a CT has at most 4096"):
        predictor(ct)


@pytest.mark.parametrize("engine", ["openvino", "keras"])
def test_a_network_wider_than_its_settings_say_is_found_out(tmp_path, memory_gb, monkeypatch, engine):
    monkeypatch.setenv("PNEUMOSEG_CACHE", str(tmp_path / "cache"))
    settings, wide = load_settings("demo", TINY), load_settings("demo", [TINY[0], "network.filters=[64, 8]"])
    save_model(tmp_path / "model.keras", TrainedModel(build_network(wide), settings))
    memory_gb(0.0007)  # the settings' own network would fit three times
    with pytest.raises(InputError, match="GB of memory"):
        open_predictor(tmp_path / "model.keras", engine=engine)
    memory_gb(24.0)
    open_predictor(tmp_path / "model.keras", engine=engine, precision="float32")


@pytest.mark.parametrize(
    "changes",
    [
        ["patches.shape=[4096, 4096, 4096]"],
        ["patches.batch=1000000"],
        ["network.filters=[1000000, 1000000]"],
    ],
)
def test_settings_that_no_training_could_hold_are_refused_before_the_network_is_built(changes):
    cost.require_settings_memory(load_settings("demo"), 4.0)
    with pytest.raises(InputError, match=r"training would take about .* GB of memory, .* lower patches\.batch"):
        cost.require_settings_memory(load_settings("demo", changes), 300.0)
    with pytest.raises(InputError, match="GB of memory"):
        cost.estimate(load_settings("demo", changes), [], 1)


@pytest.mark.parametrize("preset", ["covid-3d-unet", "covid-3d-unet-cpu", "covid-plain-unet-cpu", "covid-2d-unet-cpu"])
def test_no_preset_is_refused_where_its_training_fits(preset):
    settings = load_settings(preset)
    network = build_network(settings)
    values = cost.forward_operations(network, settings.patches.shape)[1]
    cost.require_settings_memory(settings, cost.training_memory_gb(network, values, settings.patches.batch))
