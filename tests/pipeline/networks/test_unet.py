"""The shape of a U-Net, level by level."""

import keras
import numpy as np
import pytest

from pneumoseg.pipeline.networks.registry import build_network
from pneumoseg.pipeline.settings.loading import load_settings


@pytest.mark.parametrize("dimensions", [2, 3])
def test_levels_halve_and_come_back(dimensions):
    changes = [f"patches.shape={[16] * dimensions}", "network.filters=[4, 8, 16]"]
    network = build_network(load_settings("demo", changes))
    names = [f"decoder_{level}" for level in (1, 0)]
    levels = keras.Model(network.input, [network.get_layer(name).output for name in names])
    half, full = levels(np.zeros((1, *[16] * dimensions, 1), np.float32))
    assert half.shape == (1, *[8] * dimensions, 8)
    assert full.shape == (1, *[16] * dimensions, 4)


def test_probabilities_sum_to_one_for_any_size_that_the_levels_divide():
    network = build_network(load_settings("demo", ["patches.shape=[16, 16]", "network.filters=[4, 8, 16]"]))
    probabilities = network.predict_on_batch(np.ones((2, 8, 12, 1), np.float32))
    assert probabilities.shape == (2, 8, 12, 4)
    assert probabilities.dtype == np.float32
    np.testing.assert_allclose(probabilities.sum(axis=-1), 1, rtol=1e-5)
