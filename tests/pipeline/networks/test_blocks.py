"""What a block does with numbers that can be checked by eye."""

import keras
import numpy as np

from pneumoseg.pipeline.networks import blocks
from pneumoseg.pipeline.networks.blocks import Kit


def test_an_attention_gate_by_hand():
    skip, below = keras.Input((4, 4, 2)), keras.Input((2, 2, 3))
    gate = keras.Model([skip, below], blocks.attention_gate(Kit(2, "float32", None), skip, below, 2, 1))
    kernels = {
        (1, 1, 3, 2): np.zeros((1, 1, 3, 2)),  # the gate: channel 0 of `below`
        (3, 3, 2, 2): np.zeros((3, 3, 2, 2)),  # the first voxel of each 2x2 of channel 1 of `skip`
        (1, 1, 2, 2): np.eye(2)[None, None],
        (1, 1, 2, 1): np.array([1.0, 0.0]).reshape(1, 1, 2, 1),
    }
    kernels[1, 1, 3, 2][0, 0, 0, 0] = 1.0
    kernels[3, 3, 2, 2][0, 0, 1, 0] = 1.0
    for layer in gate.layers:
        if layer.weights:
            layer.set_weights([kernels[layer.kernel.shape], np.zeros(layer.bias.shape)])
    tensor = np.ones((1, 4, 4, 2), np.float32)
    tensor[0, ..., 1] = 0.0
    tensor[0, 0, 2, 1] = np.log(9.0)
    tensor[0, 3, 3, 1] = 100.0  # not the first voxel of its 2x2: no say in the share
    coarse = np.zeros((1, 2, 2, 3), np.float32)
    coarse[0, ..., 0] = [[-5.0, 0.0], [np.log(3.0), 100.0]]
    coarse[0, ..., 1:] = 7.0
    outputs = np.array(gate([tensor, coarse]))
    shares = np.repeat(np.repeat([[0.5, 0.9], [0.75, 1.0]], 2, axis=0), 2, axis=1)
    np.testing.assert_allclose(outputs[0, ..., 0], shares, atol=1e-6)
    np.testing.assert_allclose(outputs[0, 0, 2, 1], 0.9 * np.log(9.0), atol=1e-6)


def test_residual_blocks_without_their_convolutions_are_short_cuts():
    inputs = keras.Input((4, 4, 3))
    tensor = np.random.default_rng(0).normal(size=(1, 4, 4, 3)).astype(np.float32)
    for block in (blocks.residual, blocks.rectified_residual):
        model = keras.Model(inputs, block(Kit(2, "float32", None), inputs, 3))
        for layer in model.layers:
            if layer.weights:
                kernel = np.eye(3)[None, None] if layer.kernel.shape[0] == 1 else np.zeros(layer.kernel.shape)
                layer.set_weights([kernel, np.zeros(3)])
        np.testing.assert_array_equal(model(tensor), np.maximum(tensor, 0.0))


def test_dense_and_compact_blocks_keep_their_input():
    inputs = keras.Input((4, 4, 3))
    tensor = np.random.default_rng(0).normal(size=(1, 4, 4, 3)).astype(np.float32)
    for block in (blocks.dense, blocks.compact):
        outputs = keras.Model(inputs, block(Kit(2, "float32", None), inputs, 5))(tensor)
        assert outputs.shape == (1, 4, 4, 8)
        np.testing.assert_array_equal(outputs[..., :3], tensor)


def test_multires_widths_are_the_papers():
    # 1.67 * 32 = 53.4 channels, of which a sixth, a third and a half, rounded down: 8 + 17 + 26.
    outputs = blocks.multires(Kit(3, "float32", 0.99), keras.Input((4, 4, 4, 1)), 32)
    assert outputs.shape[-1] == 51
    assert blocks.multires(Kit(3, "float32", 0.99), keras.Input((4, 4, 4, 1)), 1).shape[-1] == 3


def test_as_many_convolutions_as_asked_for():
    inputs = keras.Input((4, 4, 3))
    for count in (1, 2, 3):
        model = keras.Model(inputs, blocks.convolutions(count)(Kit(2, "float32", None), inputs, 5))
        kernels = [layer.kernel.shape for layer in model.layers if layer.weights]
        assert kernels == [(3, 3, 3, 5), *[(3, 3, 5, 5)] * (count - 1)]


def test_a_sigmoid_needs_one_channel_and_a_softmax_one_for_each_class():
    inputs = keras.Input((4, 4, 3))
    for sigmoid, channels in ((True, 1), (False, 2)):
        outputs = Kit(2, "float32", None, sigmoid=sigmoid).probabilities(inputs, 2, "probabilities")
        model = keras.Model(inputs, outputs)
        assert model.output_shape == (None, 4, 4, 2)
        assert model.count_params() == 3 * channels + channels
        assert model.output_names == ["probabilities"]
