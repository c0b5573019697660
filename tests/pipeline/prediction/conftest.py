"""Model files of a tiny network with random weights, and its 8-bit network."""

import functools
import shutil
import tempfile
from pathlib import Path

import keras
import numpy as np
import pytest

from pneumoseg.pipeline.models.model_file import TrainedModel, save_model
from pneumoseg.pipeline.networks.registry import build_network
from pneumoseg.pipeline.prediction import quantization
from pneumoseg.pipeline.sampling.calibration import CalibrationTiles
from pneumoseg.pipeline.settings.loading import load_settings

TINY = ["network.filters=[4, 8]", "patches.shape=[8, 8, 4]", "patches.batch=1"]


@functools.cache
def model_file(*changes: str, precision: str = "float32", seed: int = 0) -> bytes:
    """The content of the file, which takes a second to make."""
    settings = load_settings("demo", [*TINY, *changes])
    keras.utils.set_random_seed(seed)
    network = build_network(settings, precision)
    rng = np.random.default_rng(seed)
    for weight in network.weights:
        if "moving" in weight.path:
            weight.assign(rng.uniform(0.5, 1.5, weight.shape))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        save_model(path, TrainedModel(network, settings))
        return path.read_bytes()


@pytest.fixture
def make_model(tmp_path, own_cache):
    """A function that writes a model file with random weights and moving statistics."""

    def make(name: str = "model.keras", *changes: str, precision: str = "float32", seed: int = 0) -> Path:
        (tmp_path / name).write_bytes(model_file(*changes, precision=precision, seed=seed))
        return tmp_path / name

    return make


@pytest.fixture
def model(tmp_path, own_cache):
    """Any file: where a model's content alone counts, or networks are test doubles."""
    (tmp_path / "models").mkdir()
    path = tmp_path / "models" / "model.keras"
    path.write_bytes(b"one")
    return path


@pytest.fixture(scope="session")
def random_tiles() -> CalibrationTiles:
    rng = np.random.default_rng(0)
    return CalibrationTiles(*(rng.normal(size=(4, 8, 8, 4, 1)).astype(np.float32) for _ in range(2)))


@pytest.fixture(scope="session")
def quantised_once(tmp_path_factory, random_tiles) -> Path:
    """A model file beside its converted and its 8-bit network, which is made whatever its accuracy."""
    path = tmp_path_factory.mktemp("quantised") / "model.keras"
    path.write_bytes(model_file())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(quantization, "_is_accurate", lambda found: True)
        quantization.make_int8_network(path, random_tiles)
    return path


@pytest.fixture
def quantised(tmp_path, own_cache, quantised_once) -> Path:
    """A model file beside its converted and its 8-bit network, all to be changed by the test."""
    folder = tmp_path / "quantised"
    shutil.copytree(quantised_once.parent, folder)
    return folder / "model.keras"
