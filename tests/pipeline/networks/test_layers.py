"""The normalisations against Keras's and NumPy's, and the shapes of the other layers."""

import keras
import numpy as np
import pytest

from pneumoseg.pipeline.networks import layers
from pneumoseg.pipeline.networks.layers import (
    FusedBatchNormalization,
    FusedInstanceNormalization,
    InstanceNormalization,
)

INSTANCE = [InstanceNormalization, FusedInstanceNormalization]


@pytest.mark.parametrize("shape", [(3, 5, 4, 2, 6), (4, 7, 5)])
@pytest.mark.parametrize("parameters", [{}, {"scale": False}, {"center": False}])
def test_fused_batch_normalisation_equals_kerass(shape, parameters):
    rng = np.random.default_rng(0)
    fused = FusedBatchNormalization(momentum=0.9, **parameters)
    plain = keras.layers.BatchNormalization(momentum=0.9, **parameters)
    for layer in (fused, plain):
        layer.build(shape)
    for _ in range(3):
        inputs = rng.normal(3.0, 2.0, size=shape).astype(np.float32)
        np.testing.assert_allclose(fused(inputs, training=True), plain(inputs, training=True), atol=1e-4)
    for ours, theirs in zip(fused.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(fused(inputs, training=False), plain(inputs, training=False), atol=1e-4)


def test_configurations_of_earlier_versions_are_read():
    """They say whether several devices normalise together, which the backend decides now."""
    layer = FusedBatchNormalization.from_config({"name": "norm", "momentum": 0.9, "synchronized": False})
    assert (layer.momentum, layer.synchronized) == (0.9, True)
    assert not {"axis", "synchronized"} & set(layer.get_config())


def test_a_frozen_layer_normalises_by_its_moving_statistics():
    layer = FusedBatchNormalization()
    layer.build((2, 4, 4, 3))
    layer.trainable = False
    inputs = np.random.default_rng(0).normal(5.0, 1.0, (2, 4, 4, 3)).astype(np.float32)
    np.testing.assert_allclose(layer(inputs, training=True), inputs, atol=5e-3)
    np.testing.assert_array_equal(layer.get_weights()[2], 0.0)


@pytest.mark.parametrize("kind", INSTANCE)
@pytest.mark.parametrize("shape", [(1, 6, 7, 5, 4), (3, 6, 7, 5, 4), (2, 9, 8, 3), (2, 20, 3)])
def test_instance_normalisation_equals_numpys_in_float64(kind, shape):
    rng = np.random.default_rng(0)
    inputs = (rng.normal(size=shape) * rng.uniform(0.5, 3.0, shape[-1]) + rng.uniform(-5, 5, shape[-1])).astype("f4")
    axes = tuple(range(1, len(shape) - 1))
    layer = kind()
    normalised = keras.ops.convert_to_numpy(layer(inputs))
    np.testing.assert_allclose(normalised.mean(axes), 0.0, atol=1e-5)
    np.testing.assert_allclose(normalised.std(axes), 1.0, atol=1e-4)
    gamma, beta = rng.uniform(0.5, 2.0, shape[-1]), rng.normal(size=shape[-1])
    layer.set_weights([gamma, beta])
    exact = inputs.astype(np.float64)
    spread = np.sqrt(exact.var(axes, keepdims=True) + 1e-5)
    expected = (exact - exact.mean(axes, keepdims=True)) / spread * gamma + beta
    for training in (True, False):
        np.testing.assert_allclose(layer(inputs, training=training), expected, atol=2e-5)


@pytest.mark.parametrize("kind", INSTANCE)
def test_instance_normalisation_by_hand(kind):
    inputs = np.zeros((2, 2, 1, 2), np.float32)
    inputs[0, :, 0, 0] = [1, 3]
    inputs[0, :, 0, 1] = [10, 10]
    inputs[1, :, 0, 0] = [-8, 0]
    expected = [[[[-1, 0]], [[1, 0]]], [[[-1, 0]], [[1, 0]]]]
    np.testing.assert_allclose(kind()(inputs), expected, atol=1e-4)


@pytest.mark.parametrize("kind", INSTANCE)
def test_statistics_are_float32_in_mixed_precision(kind):
    layer = kind(dtype="mixed_bfloat16")
    # Sums that bfloat16 with its 8 bits would get wrong by far: 512 values near 1000.
    inputs = keras.ops.cast(np.random.default_rng(0).choice([992.0, 1008.0], (1, 8, 8, 8, 2)), "bfloat16")
    outputs = layer(inputs)
    assert keras.backend.standardize_dtype(outputs.dtype) == "bfloat16"
    assert {weight.dtype for weight in layer.weights} == {"float32"}
    values = np.array(keras.ops.cast(outputs, "float32"))
    exact = np.array(keras.ops.cast(inputs, "float32"), np.float64)
    axes = (1, 2, 3)
    expected = (exact - exact.mean(axes, keepdims=True)) / exact.std(axes, keepdims=True)
    np.testing.assert_allclose(values, expected, atol=1e-2)


def test_both_instance_normalisations_learn_alike():
    rng = np.random.default_rng(0)
    images = rng.normal(2.0, 3.0, (2, 6, 5, 2)).astype(np.float32)
    targets = rng.normal(size=(2, 6, 5, 3)).astype(np.float32)
    learned = []
    for kind in INSTANCE:
        keras.utils.set_random_seed(0)
        inputs = keras.Input((None, None, 2))
        first = layers.convolution(2, 4, 3)(inputs)
        network = keras.Model(inputs, layers.convolution(2, 3, 3)(kind()(first)))
        network.compile(keras.optimizers.SGD(0.1), "mse", jit_compile=False)
        before = network.get_weights()
        for _ in range(3):
            network.train_on_batch(images, targets)
        learned.append(network.get_weights())
        moved = [np.abs(old - new).max() for old, new in zip(before, learned[-1], strict=True)]
        # The bias of the first convolution is what the normalisation takes away.
        assert [change > 1e-3 for change in moved] == [True, False, True, True, True, True]
    for one, other in zip(*learned, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


@pytest.mark.parametrize("dimensions", [1, 2, 3])
def test_up_sampling_repeats_voxels(dimensions):
    inputs = np.zeros((1, *(2,) * dimensions, 1), np.float32)
    inputs[0, 1] = 1.0
    outputs = np.array(layers.up_sampling(dimensions, 2)(inputs))
    assert outputs.shape == (1, *(4,) * dimensions, 1)
    assert not outputs[0, :2].any()
    assert outputs[0, 2:].all()


def test_one_score_gives_two_probabilities_by_hand():
    scores = np.log([[[3.0], [1.0]], [[1.0 / 9.0], [99.0]]]).astype(np.float32)
    expected = [[[0.25, 0.75], [0.5, 0.5]], [[0.9, 0.1], [0.01, 0.99]]]
    np.testing.assert_allclose(layers.TwoClassSigmoid()(scores), expected, atol=1e-6)


def test_the_background_of_a_sure_score_is_small_and_not_zero():
    probabilities = np.array(layers.TwoClassSigmoid()(np.array([[40.0]], np.float32)))
    np.testing.assert_allclose(probabilities[0, 0], np.exp(-40.0), rtol=1e-5)
    assert probabilities[0, 1] == 1.0


def test_half_scores_become_float32_probabilities():
    scores = keras.ops.cast(np.array([[2.0]], np.float32), "bfloat16")
    probabilities = layers.TwoClassSigmoid(dtype="float32")(scores)
    assert keras.backend.standardize_dtype(probabilities.dtype) == "float32"
    np.testing.assert_allclose(np.array(probabilities).sum(), 1.0, atol=1e-7)
