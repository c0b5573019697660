"""The standard U-Net (Ronneberger et al. 2015; Cicek et al. 2016), in any number of dimensions."""

import keras

from pipeline.networks import layers


def standard_unet(
    dimensions: int = 3,
    channels: int = 1,
    classes: int = 4,
    filters: tuple[int, ...] = (32, 64, 128, 256, 512),
    batch_norm: bool = True,
    activation: str = "softmax",
    pooling: tuple | None = None,
    dtype: str = "float32",
) -> keras.Model:
    """Builds a U-Net whose levels have `filters` channels, the last of them the bottom of the U.

    Every level is two blocks of (convolution 3, ReLU, batch normalisation); levels are joined by max-pooling on the
    way down and by transposed convolution and concatenation on the way up. With the defaults it has 22,587,204
    parameters, as MIScnn's standard architecture.

    Input: (batch, x, y[, z], channels), any spatial size that the product of the strides divides.
    Output: (batch, x, y[, z], classes), float32, the activation's probabilities.
    `pooling`: one stride per way down, each a number or one per axis; 2 everywhere by default.
    `dtype`: a Keras dtype policy, for instance "mixed_bfloat16"; the output layer is float32 always.
    """
    strides = pooling or (2,) * (len(filters) - 1)
    inputs = keras.Input((None,) * dimensions + (channels,))
    tensor = inputs
    skips = []
    for count, stride in zip(filters[:-1], strides, strict=True):
        tensor = _two_convolutions(tensor, dimensions, count, batch_norm, dtype)
        skips.append(tensor)
        tensor = layers.max_pooling(dimensions, stride, dtype=dtype)(tensor)
    tensor = _two_convolutions(tensor, dimensions, filters[-1], batch_norm, dtype)
    for count, stride, skip in zip(filters[-2::-1], strides[::-1], skips[::-1], strict=True):
        tensor = layers.transposed_convolution(dimensions, count, stride, dtype=dtype)(tensor)
        tensor = keras.layers.Concatenate(dtype=dtype)([tensor, skip])
        tensor = _two_convolutions(tensor, dimensions, count, batch_norm, dtype)
    tensor = layers.convolution(dimensions, classes, 1, dtype=dtype)(tensor)
    outputs = keras.layers.Activation(activation, dtype="float32", name="probabilities")(tensor)
    return keras.Model(inputs, outputs, name="standard_unet")


def _two_convolutions(tensor, dimensions: int, filters: int, batch_norm: bool, dtype: str):
    for _ in range(2):
        tensor = layers.convolution(dimensions, filters, 3, activation="relu", dtype=dtype)(tensor)
        if batch_norm:
            tensor = layers.FusedBatchNormalization(dtype=dtype)(tensor)
    return tensor
