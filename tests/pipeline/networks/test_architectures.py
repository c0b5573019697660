"""Every network of the library in two and three dimensions, small; its size at the default width; its conversion."""

import keras
import numpy as np
import pytest

from pneumoseg.pipeline.models.model_file import TrainedModel, save_model
from pneumoseg.pipeline.networks.registry import NETWORKS, build_network
from pneumoseg.pipeline.prediction.engines import open_engine
from pneumoseg.pipeline.settings.loading import load_settings
from pneumoseg.pipeline.settings.schema import NetworkSettings

# At the default width in 3D, four classes, one channel. MIScnn 1.4.0 has the same, but for what
# pipeline/networks/architectures.py says: multires 18,657,050, attention-residual 25,381,128, plain of another width.
PARAMETERS = {
    "standard-unet": 22_587_204,
    "residual-unet": 22_936_868,
    "dense-unet": 45_640_296,
    "compact-unet": 30_394_152,
    "attention-unet": 25_291_688,
    "attention-residual-unet": 25_337_128,
    "multires-unet": 18_657_042,
    "plain-unet": 22_581_316,
}
SHAPES = {2: (8, 16), 3: (8, 16, 8)}


def with_random_statistics(network: keras.Model) -> keras.Model:
    """As after a training: moving means and variances, gamma and beta differ from 0 and 1."""
    rng = np.random.default_rng(0)
    for weight in network.weights:
        if weight.name in ("moving_mean", "moving_variance", "gamma", "beta"):
            weight.assign(rng.uniform(0.5, 1.5, weight.shape))
    return network


def test_every_network_is_counted():
    assert set(PARAMETERS) == set(NETWORKS)


@pytest.mark.parametrize("name", NETWORKS)
def test_the_default_width_has_the_published_parameters(name):
    network = build_network(load_settings("covid-3d-unet", [f"network.name={name}"]))
    assert network.count_params() == PARAMETERS[name]


def test_in_two_dimensions_short_cuts_cost_what_they_do_in_miscnn():
    network = NETWORKS["attention-residual-unet"](2, 1, 4, NetworkSettings(), "float32")
    assert network.count_params() == 8_954_600


@pytest.mark.parametrize("dimensions", [2, 3])
@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_gives_probabilities_at_every_level_and_survives_its_file(name, dimensions, tmp_path):
    settings = NetworkSettings(filters=(4, 8, 16))
    network = with_random_statistics(NETWORKS[name](dimensions, 2, 3, settings, "float32"))
    shape = SHAPES[dimensions]
    images = np.random.default_rng(1).normal(size=(2, *shape, 2)).astype(np.float32)
    levels = [network.get_layer(f"decoder_{level}").output for level in (0, 1)]
    outputs, top, half = (np.array(tensor) for tensor in keras.Model(network.input, [network.output, *levels])(images))
    assert "decoder_2" not in {layer.name for layer in network.layers}
    assert network.output_names == ["probabilities"]
    assert outputs.shape == (2, *shape, 3)
    assert outputs.dtype == np.float32
    np.testing.assert_allclose(outputs.sum(axis=-1), 1.0, atol=1e-5)
    assert outputs.std(axis=tuple(range(dimensions + 1))).min() > 1e-4
    assert top.shape[:-1] == (2, *shape)
    assert half.shape[:-1] == (2, *(size // 2 for size in shape))
    network.save(tmp_path / "network.keras")
    loaded = keras.saving.load_model(tmp_path / "network.keras", safe_mode=True, compile=False)
    np.testing.assert_allclose(loaded(images), outputs, atol=1e-6)


@pytest.mark.parametrize("name", NETWORKS)
def test_without_batch_normalisation_and_in_mixed_precision(name):
    settings = NetworkSettings(filters=(4, 8), batch_norm=False)
    network = NETWORKS[name](2, 1, 2, settings, "mixed_bfloat16")
    assert not [layer for layer in network.layers if isinstance(layer, keras.layers.BatchNormalization)]
    assert network.output.dtype == "float32"
    computing = {layer.compute_dtype for layer in network.layers if layer.weights}
    assert computing == {"bfloat16"}
    outputs = np.array(network(np.random.default_rng(0).normal(size=(1, 8, 8, 1)).astype(np.float32)))
    np.testing.assert_allclose(outputs.sum(axis=-1), 1.0, atol=1e-5)


@pytest.mark.parametrize("name", ["standard-unet", "residual-unet", "plain-unet"])
def test_openvino_computes_the_same(name, tmp_path):
    changes = [f"network.name={name}", "network.filters=[4, 8]", "patches.shape=[8, 8, 4]", "patches.batch=1"]
    settings = load_settings("demo", [*changes, "prediction.batch=2"])
    save_model(tmp_path / "model.keras", TrainedModel(with_random_statistics(build_network(settings)), settings))
    tiles = np.random.default_rng(1).normal(size=(2, 8, 8, 4, 1)).astype(np.float32)
    one, other = (
        open_engine([tmp_path / "model.keras"], settings, name=engine, precision="float32").network(tiles)
        for engine in ("openvino", "keras")
    )
    np.testing.assert_allclose(one, other, atol=1e-4)
    assert np.abs(one[0] - one[1]).max() > 1e-3
