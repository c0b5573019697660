"""The cost of a network: floating-point operations, and number of output values of its layers."""

import numpy as np

from pneumoseg.pipeline.runtime.keras_backend import keras


def forward_operations(network: keras.Model, shape: tuple[int, ...]) -> tuple[float, float]:
    """Operations of the convolutions for one patch of `shape` (a multiplication and an addition are two), and the
    number of output values of all layers. Nested models and layers with several outputs are left out."""
    layers = [
        layer
        for layer in network.layers
        if not isinstance(layer, keras.layers.InputLayer | keras.Model) and not isinstance(layer.output, list | tuple)
    ]
    everything = keras.Model(network.input, [layer.output for layer in layers])
    operations, values = 0.0, 0.0
    for layer, output in zip(layers, everything(keras.Input((*shape, network.input_shape[-1]))), strict=True):
        values += float(np.prod(output.shape[1:]))
        kernel = getattr(layer, "kernel", None)
        if kernel is not None:
            voxels = float(np.prod(output.shape[1:-1]))
            if "Transpose" in type(layer).__name__:
                voxels /= float(np.prod(layer.strides))
            operations += 2.0 * voxels * float(np.prod(kernel.shape))
    return operations, values
