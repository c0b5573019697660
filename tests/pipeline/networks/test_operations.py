"""Operations of a network, against counts by hand."""

import keras

from pneumoseg.pipeline.networks.operations import forward_operations


def test_convolutions_are_counted():
    inputs = keras.Input((None, None, 1))
    tensor = keras.layers.Conv2D(2, 3, padding="same")(inputs)  # per pixel 9 x 1 x 2 weights
    outputs = keras.layers.Conv2D(3, 1)(tensor)  # per pixel 2 x 3 weights
    operations, values = forward_operations(keras.Model(inputs, outputs), (4, 5))
    assert operations == 2 * 20 * (18 + 6)
    assert values == 20 * (2 + 3)


def test_a_transposed_convolution_works_once_for_each_voxel_of_its_input():
    inputs = keras.Input((None, None, 1))
    outputs = keras.layers.Conv2DTranspose(3, 2, strides=2)(inputs)
    assert forward_operations(keras.Model(inputs, outputs), (4, 5)) == (2 * 20 * 4 * 3, 80 * 3)


def test_strides_and_layers_without_weights():
    inputs = keras.Input((None, None, 1))
    tensor = keras.layers.Conv2D(2, 1, strides=2)(inputs)
    outputs = keras.layers.Activation("relu")(tensor)
    assert forward_operations(keras.Model(inputs, outputs), (4, 4)) == (2 * 4 * 2, 2 * 4 * 2)
