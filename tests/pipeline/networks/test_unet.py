import keras
import numpy as np
import pytest

from pipeline.configuration import load_settings
from pipeline.networks.layers import FusedBatchNormalization
from pipeline.networks.registry import build_network
from pipeline.networks.unet import standard_unet


def test_the_published_network_has_its_parameters():
    assert build_network(load_settings("covid-3d-unet")).count_params() == 22_587_204


@pytest.mark.parametrize(("dimensions", "shape"), [(2, (16, 8)), (3, (16, 8, 8))])
def test_any_number_of_dimensions(dimensions, shape):
    network = standard_unet(dimensions, channels=1, classes=3, filters=(4, 8, 8))
    output = network.predict_on_batch(np.zeros((2, *shape, 1), np.float32))
    assert output.shape == (2, *shape, 3)
    np.testing.assert_allclose(output.sum(axis=-1), 1.0, atol=1e-5)


def test_probabilities_are_float32_in_mixed_precision():
    network = standard_unet(2, filters=(4, 8), dtype="mixed_bfloat16")
    assert network.output.dtype == "float32"


@pytest.mark.parametrize("shape", [(3, 5, 4, 2, 6), (4, 7, 5)])
def test_fused_normalisation_equals_kerass(shape):
    rng = np.random.default_rng(0)
    fused, plain = FusedBatchNormalization(momentum=0.9), keras.layers.BatchNormalization(momentum=0.9)
    for layer in (fused, plain):
        layer.build(shape)
    for _ in range(3):
        inputs = rng.normal(3.0, 2.0, size=shape).astype(np.float32)
        np.testing.assert_allclose(fused(inputs, training=True), plain(inputs, training=True), atol=1e-4)
    for ours, theirs in zip(fused.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(fused(inputs, training=False), plain(inputs, training=False), atol=1e-4)


def test_a_frozen_layer_normalises_by_its_moving_statistics():
    layer = FusedBatchNormalization()
    layer.build((2, 4, 4, 3))
    layer.trainable = False
    inputs = np.random.default_rng(0).normal(5.0, 1.0, (2, 4, 4, 3)).astype(np.float32)
    np.testing.assert_allclose(layer(inputs, training=True), inputs, atol=5e-3)
    np.testing.assert_array_equal(layer.get_weights()[2], 0.0)
