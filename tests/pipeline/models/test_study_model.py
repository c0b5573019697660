"""A network for whole studies in one file: what is written is read back, what does not fit together is refused."""

import json
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.content_hash import sha256_of
from pneumoseg.pipeline.models.model_file import TrainedModel, load_model, read_settings, save_model
from pneumoseg.pipeline.models.study_model import StudyModel, holds_study_model, load_study_model, save_study_model
from pneumoseg.pipeline.networks.registry import build_network
from pneumoseg.pipeline.networks.study_networks import build_study_network
from pneumoseg.pipeline.settings.loading import load_settings, load_study_settings


@pytest.fixture(scope="module")
def model() -> StudyModel:
    settings = load_study_settings("hrct-joint", ["input.shape=[8, 8, 8]", "network.filters=[2, 3]"])
    keras.utils.set_random_seed(0)
    return StudyModel(build_study_network(settings), settings, {"mask": "classical"}, 0.25)


def with_content(path: Path, **changes) -> None:
    """Changes the entry of this program in a model file; None removes a value."""
    with zipfile.ZipFile(path) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    content = json.loads(entries["pneumoseg.json"]) | changes
    entries["pneumoseg.json"] = json.dumps({name: value for name, value in content.items() if value is not None})
    with zipfile.ZipFile(path, "w") as archive:
        for name, entry in entries.items():
            archive.writestr(name, entry)


def test_what_is_written_is_read_back(model, tmp_path):
    path = tmp_path / "model.keras"
    save_study_model(path, model)
    read = load_study_model(path)
    assert (read.settings, read.preparation, read.threshold) == (model.settings, model.preparation, 0.25)
    assert read.sha256 == sha256_of(path)
    assert holds_study_model(path)
    images = np.random.default_rng(0).random((2, 8, 8, 8, 1), np.float32)
    for head, expected in model.network.predict_on_batch(images).items():
        np.testing.assert_array_equal(read.network.predict_on_batch(images)[head], expected)


@pytest.mark.parametrize("name", ["resnet", "densenet", "unet-encoder"])
def test_every_network_is_read_back(name, tmp_path):
    settings = load_study_settings(
        "hrct-severity", ["input.shape=[8, 8, 8]", "network.filters=[2, 4]", f"network.name={name}"]
    )
    save_study_model(tmp_path / "model.keras", StudyModel(build_study_network(settings), settings, {}))
    assert load_study_model(tmp_path / "model.keras").settings == settings


def test_models_of_the_two_kinds_are_not_mistaken_for_each_other(model, tmp_path):
    path = tmp_path / "model.keras"
    save_study_model(path, model)
    for read in (load_model, read_settings):
        with pytest.raises(InputError, match=r"model.keras: a segmentation model is needed, found a network for whole"):
            read(path)
    settings = load_settings("demo", ["patches.shape=[16, 16, 8]", "network.filters=[4, 8]"])
    save_model(path, TrainedModel(build_network(settings), settings))
    assert not holds_study_model(path)
    with pytest.raises(InputError, match=r"model.keras: a network for whole studies is needed, found a segmentation"):
        load_study_model(path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"threshold": 1.5}, "threshold is a number of 0..1, found 1.5"),
        ({"threshold": "0.5"}, "threshold is a number"),
        ({"threshold": True}, "threshold is a number"),
        ({"threshold": float("nan")}, "threshold is a number|NaN"),
        ({"settings": None}, "settings and preparation are needed"),
        ({"preparation": [1]}, "settings and preparation are needed"),
        ({"settings": {"kind": "studies", "seeed": 1}}, "did you mean seed"),
        (
            {"settings": {"kind": "studies"}},
            r"input and outputs .* \(128, 128, 64, 1\) and label, score by its settings",
        ),
    ],
)
def test_a_damaged_record_is_refused(model, tmp_path, changes, message):
    path = tmp_path / "model.keras"
    save_study_model(path, model)
    with_content(path, **changes)
    with pytest.raises(InputError, match=message):
        load_study_model(path)


def test_a_cut_or_missing_file_is_refused(model, tmp_path):
    path = tmp_path / "model.keras"
    with pytest.raises(InputError, match="no such model file"):
        load_study_model(path)
    save_study_model(path, model)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(InputError, match="not a readable model file"):
        load_study_model(path)
