import keras
import numpy as np
import pytest

from pneumoseg.data_io.datasets.dataset import Dataset
from pneumoseg.data_io.datasets.layouts import open_dataset
from pneumoseg.data_io.phantoms.generate import write_phantoms
from pneumoseg.pipeline.models.model_file import load_model
from pneumoseg.pipeline.networks.registry import NETWORKS, build_network
from pneumoseg.pipeline.prediction.bottleneck import TILES_PER_CASE, bottleneck, training_features, with_features
from pneumoseg.pipeline.prediction.conversion import converted
from pneumoseg.pipeline.prediction.engines import keras_network
from pneumoseg.pipeline.prediction.openvino_engine import compiled
from pneumoseg.pipeline.prediction.tile_outputs import joined
from pneumoseg.pipeline.preprocessing.case_store import CaseStore, StoredCase
from pneumoseg.pipeline.preprocessing.preprocessor import Preprocessor
from pneumoseg.pipeline.settings.loading import load_settings


@pytest.mark.parametrize("name", NETWORKS)
def test_the_deepest_level_of_each_network_is_found(name):
    settings = load_settings("demo", [f"network.name={name}", "network.filters=[2, 4, 8]"])
    network = build_network(settings)
    deepest = bottleneck(network)
    sized = keras.Model(network.input, deepest)(np.zeros((1, 16, 16, 8, 1), np.float32))
    assert tuple(sized.shape[1:4]) == (4, 4, 2)
    assert sized.shape[-1] >= 8


def test_a_network_without_transposed_convolution_has_no_features():
    inputs = keras.Input((None, None, None, 1))
    network = keras.Model(inputs, keras.layers.Conv3D(2, 1, activation="softmax")(inputs))
    assert bottleneck(network) is None
    assert keras_network(network).outputs(np.zeros((1, 4, 4, 4, 1), np.float32)).features == ()


def test_the_second_output_changes_nothing_and_is_the_mean_of_the_deepest_features(model_settings):
    network, tiles = build_network(model_settings), np.random.default_rng(0).normal(size=(2, 8, 8, 4, 1)).astype("f4")
    found = keras_network(network).outputs(tiles)
    np.testing.assert_array_equal(found.probabilities, network.predict_on_batch(tiles))
    deepest = keras.Model(network.input, bottleneck(network)).predict_on_batch(tiles)
    np.testing.assert_allclose(found.features[0], deepest.mean(axis=(1, 2, 3)), atol=1e-5)
    assert with_features(network) is with_features(network)


@pytest.mark.parametrize("name", ["standard-unet", "plain-unet"])
def test_openvino_gives_the_features_of_keras(make_model, name):
    path = make_model("model.keras", f"network.name={name}")
    tiles = np.random.default_rng(0).normal(size=(2, 8, 8, 4, 1)).astype(np.float32)
    network = load_model(path).network
    ours, theirs = (
        one.outputs(tiles).features for one in (compiled([converted(path)], (8, 8, 4, 1)), keras_network(network))
    )
    np.testing.assert_allclose(ours[0], theirs[0], atol=1e-4)


@pytest.fixture
def model_settings():
    return load_settings("demo", ["network.filters=[4, 8]", "patches.shape=[8, 8, 4]", "preprocessing.spacing_mm=null"])


@pytest.fixture
def stored(tmp_path, model_settings) -> list[StoredCase]:
    write_phantoms(tmp_path / "data", 2, shape=(32, 32, 24), seed=1)
    dataset: Dataset = open_dataset(tmp_path / "data")
    labels = model_settings.labels.table
    store = CaseStore(tmp_path / "store", Preprocessor(model_settings.preprocessing), labels)
    return [store.get(case) for case in dataset]


def test_training_features_describe_tiles_that_hold_a_class(stored, model_settings):
    network = build_network(model_settings)
    found = training_features(network, stored, model_settings)
    assert found is not None
    assert found.mean.shape == (8,)
    assert found.precision.shape == (8, 8)
    assert TILES_PER_CASE < 32 * 32 * 24 / (8 * 8 * 4)  # some are left out


def test_there_are_none_without_tiles(model_settings):
    assert training_features(build_network(model_settings), [], model_settings) is None


def test_slices_have_features_too(stored):
    settings = load_settings(
        "demo", ["network.filters=[4, 8]", "patches.shape=[16, 16]", "preprocessing.spacing_mm=null"]
    )
    found = training_features(build_network(settings), stored, settings)
    assert found is not None and found.mean.shape == (8,)


def test_alike_networks_in_one_graph_have_the_features_of_each(make_model):
    paths = [make_model(f"{seed}.keras", seed=seed) for seed in range(2)]
    tiles = np.random.default_rng(0).normal(size=(2, 8, 8, 4, 1)).astype(np.float32)
    together = compiled([converted(path) for path in paths], (8, 8, 4, 1)).outputs(tiles)
    alone = [keras_network(load_model(path).network).outputs(tiles) for path in paths]
    for ours, one in zip(together.features, alone, strict=True):
        np.testing.assert_allclose(ours, one.features[0], atol=1e-4)
    votes = joined(alone).votes
    np.testing.assert_array_equal(together.votes, votes)
    np.testing.assert_allclose(together.probabilities, sum(one.probabilities for one in alone) / 2, atol=1e-4)
