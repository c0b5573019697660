"""The same network in another precision, or of plain layers."""

import keras
import numpy as np
import pytest

from pneumoseg.pipeline.networks import layers
from pneumoseg.pipeline.networks.rebuilding import rebuild
from pneumoseg.pipeline.networks.registry import build_network
from pneumoseg.pipeline.settings.loading import load_settings

TILES = np.random.default_rng(0).normal(size=(1, 16, 16, 1)).astype(np.float32)


@pytest.fixture(scope="module")
def network() -> keras.Model:
    keras.utils.set_random_seed(0)
    return build_network(load_settings("demo", ["patches.shape=[16, 16]", "network.filters=[4, 8]"]))


def kinds(network: keras.Model) -> set[type]:
    return {type(layer) for layer in network.layers}


def test_a_network_of_that_precision_is_returned_itself(network):
    assert rebuild(network, "float32") is network


def test_weights_stay_and_outputs_are_float32(network):
    half = rebuild(network, "float16")
    for one, other in zip(network.get_weights(), half.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-6)
    policies = {layer.dtype_policy.name for layer in half.layers if layer.weights}
    assert policies == {"float16"}
    assert half.output.dtype == "float32"
    assert {layer.dtype_policy.name for layer in network.layers if layer.weights} == {"float32"}


def test_plain_layers_compute_the_same(network):
    plain = rebuild(network, "float32", plain=True)
    assert layers.FusedBatchNormalization in kinds(network)
    assert layers.FusedBatchNormalization not in kinds(plain)
    assert keras.layers.BatchNormalization in kinds(plain)
    np.testing.assert_allclose(plain.predict_on_batch(TILES), network.predict_on_batch(TILES), rtol=1e-4, atol=1e-6)


def test_a_sigmoid_stays_float32_and_survives_plain_layers():
    changes = ["preprocessing.size=null", "patches.shape=[16, 16]", "network.filters=[4, 8]"]
    network = build_network(load_settings("binary-slice-unet", changes))
    expected = network.predict_on_batch(TILES)
    half = rebuild(network, "float16")
    assert half.layers[-1].compute_dtype == half.output.dtype == "float32"
    np.testing.assert_allclose(half.predict_on_batch(TILES), expected, atol=1e-2)
    plain = rebuild(network, "float32", plain=True)
    np.testing.assert_allclose(plain.predict_on_batch(TILES), expected, rtol=1e-4, atol=1e-6)
