"""Model files of a tiny network with random weights."""

from pathlib import Path

import keras
import numpy as np
import pytest

from pneumoseg.pipeline.models.model_file import TrainedModel, save_model
from pneumoseg.pipeline.networks.registry import build_network
from pneumoseg.pipeline.settings.loading import load_settings

TINY = ["network.filters=[4, 8]", "patches.shape=[8, 8, 4]", "patches.batch=1"]


@pytest.fixture
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("PNEUMOSEG_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def make_model(tmp_path, own_cache):
    """A function that writes a model file with random weights and moving statistics."""

    def make(name: str = "model.keras", *changes: str, precision: str = "float32", seed: int = 0) -> Path:
        settings = load_settings("demo", [*TINY, *changes])
        keras.utils.set_random_seed(seed)
        network = build_network(settings, precision)
        rng = np.random.default_rng(seed)
        for weight in network.weights:
            if "moving" in weight.path:
                weight.assign(rng.uniform(0.5, 1.5, weight.shape))
        path = tmp_path / name
        save_model(path, TrainedModel(network, settings))
        return path

    return make
