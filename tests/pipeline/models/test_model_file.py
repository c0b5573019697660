"""A trained model in one file: what is written is read back, and what does not fit together is refused."""

import json
import zipfile
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.content_hash import sha256_of
from pneumoseg.pipeline.models.model_file import (
    TrainedModel,
    load_model,
    read_settings,
    read_training_features,
    save_model,
)
from pneumoseg.pipeline.models.training_features import fitted
from pneumoseg.pipeline.networks.registry import build_network
from pneumoseg.pipeline.settings import plugins
from pneumoseg.pipeline.settings.loading import load_settings

SMALL = ["patches.shape=[16, 16, 8]", "network.filters=[4, 8]"]


@pytest.fixture(scope="module")
def model() -> TrainedModel:
    settings = load_settings("demo", SMALL)
    keras.utils.set_random_seed(0)
    return TrainedModel(build_network(settings), settings)


def with_settings(path: Path, **changes) -> None:
    """Changes the settings that a model file holds."""
    with zipfile.ZipFile(path) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    content = json.loads(entries["pneumoseg.json"])
    for group, values in changes.items():
        content[group] |= values
    with zipfile.ZipFile(path, "w") as archive:
        for name, entry in (entries | {"pneumoseg.json": json.dumps(content)}).items():
            archive.writestr(name, entry)


def test_network_and_settings_are_read_back(model, tmp_path):
    path = tmp_path / "model.keras"
    save_model(path, model)
    read = load_model(str(path))
    assert read.settings == read_settings(path) == model.settings
    assert read.sha256 == sha256_of(path)
    assert model.sha256 is None
    tiles = np.random.default_rng(0).normal(size=(1, 16, 16, 8, 1)).astype(np.float32)
    np.testing.assert_array_equal(read.network.predict_on_batch(tiles), model.network.predict_on_batch(tiles))


def test_features_of_the_training_cases_are_read_back_with_and_without_the_network(model, tmp_path):
    features = fitted(np.random.default_rng(0).normal(size=(20, 8)))
    save_model(tmp_path / "model.keras", replace(model, features=features))
    for found in (load_model(tmp_path / "model.keras").features, read_training_features(tmp_path / "model.keras")):
        np.testing.assert_array_equal(found.mean, features.mean)
        np.testing.assert_array_equal(found.precision, features.precision)
    save_model(tmp_path / "older.keras", model)
    assert load_model(tmp_path / "older.keras").features is None


def test_damaged_features_are_refused(model, tmp_path):
    path = tmp_path / "model.keras"
    save_model(path, model)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("training_features.bin", b"123456789")
    with pytest.raises(InputError, match=r"model.keras: the features of the training cases .*found 9 bytes"):
        load_model(path)


def test_features_that_unpack_to_gigabytes_are_refused(model, tmp_path):
    path = tmp_path / "model.keras"
    save_model(path, model)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("training_features.bin", bytes(20_000_000))
    with pytest.raises(InputError, match=r"training_features.bin has at most 16.1 MB, found 20 MB"):
        read_settings(path)


def test_a_file_that_cannot_be_written_leaves_that_of_before(model, tmp_path):
    class Failing:
        def save(self, path):
            path.write_bytes(b"half")
            raise OSError("disk full")

    path = tmp_path / "model.keras"
    path.write_bytes(b"before")
    with pytest.raises(OSError, match="disk full"):
        save_model(path, TrainedModel(Failing(), model.settings))
    assert path.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [path]


def test_a_network_of_other_classes_than_its_settings_is_refused(model, tmp_path):
    path = tmp_path / "model.keras"
    save_model(path, model)
    labels = {"names": ["background", "lung"], "colours": [[0, 0, 0], [1, 1, 1]], "mirror_pairs": []}
    with_settings(path, labels=labels, postprocessing={"lungs": [], "infection": 1}, patches={"foreground_labels": [1]})
    with pytest.raises(InputError, match=r"classes are 3, 1 and 2 by its settings, found 3, 1 and 4"):
        load_model(path)


def test_a_sigmoid_over_three_channels_is_read_back_without_trust(tmp_path):
    small = ["preprocessing.size=null", "patches.shape=[16, 16]", "network.filters=[4, 8]"]
    settings = load_settings("picture-unet-printed", small)
    model = TrainedModel(build_network(settings), settings)
    save_model(tmp_path / "model.keras", model)
    read = load_model(tmp_path / "model.keras")
    assert read.settings == settings
    tiles = np.random.default_rng(0).normal(size=(1, 16, 16, 3)).astype(np.float32)
    np.testing.assert_array_equal(read.network.predict_on_batch(tiles), model.network.predict_on_batch(tiles))
    with_settings(tmp_path / "model.keras", preprocessing={"channels": 1})
    with pytest.raises(InputError, match=r"classes are 2, 1 and 2 by its settings, found 2, 3 and 2"):
        load_model(tmp_path / "model.keras")


def test_functions_that_prediction_would_run_need_trust(model, tmp_path):
    path = tmp_path / "model.keras"
    save_model(path, model)
    with_settings(path, preprocessing={"steps": ["own_steps:brighten"]})
    with pytest.raises(InputError, match="own_steps:brighten"):
        read_settings(path)
    assert read_settings(path, trust_plugins=True).preprocessing.steps == ("own_steps:brighten",)


def test_a_network_of_ones_own_with_keras_layers_needs_no_trust(model, tmp_path):
    path = tmp_path / "model.keras"
    save_model(path, model)
    with_settings(path, network={"name": "own_network:shallow"})
    assert load_model(path).settings.network.name == "own_network:shallow"


@pytest.mark.parametrize(("trusted", "options"), [(False, ("trust_plugins",)), (True, ("changes",))])
def test_a_network_that_cannot_be_loaded_keeps_the_options_of_the_cause(model, tmp_path, monkeypatch, trusted, options):
    def find(name, known, what):
        raise InputError(f"{what} {name}: not here", options=("changes",))

    def load(*arguments, **keywords):
        raise ValueError("unknown layer")

    path = tmp_path / "model.keras"
    save_model(path, model)
    with_settings(path, network={"name": "own_network:shallow"})
    monkeypatch.setattr(plugins, "find", find)
    monkeypatch.setattr(keras.saving, "load_model", load)
    with pytest.raises(InputError, match="the network cannot be loaded") as caught:
        load_model(path, trust_plugins=trusted)
    assert caught.value.options == options
    assert ("not here" in str(caught.value)) == trusted
