"""The standard U-Net (Ronneberger et al. 2015; Cicek et al. 2016), in any number of dimensions."""

import keras

from pipeline.networks import layers


def standard_unet(
    dimensions: int = 3,
    channels: int = 1,
    classes: int = 4,
    filters: tuple[int, ...] = (32, 64, 128, 256, 512),
    batch_norm_momentum: float | None = 0.99,
    dtype: str = "float32",
) -> keras.Model:
    """Builds a U-Net whose levels have `filters` channels, the last of them the bottom of the U.

    Every level is two blocks of (convolution 3, ReLU, batch normalisation); levels are joined by max-pooling of 2 on
    the way down and by transposed convolution and concatenation on the way up. With the defaults it has 22,587,204
    parameters, as MIScnn's standard architecture. `batch_norm_momentum` None leaves normalisation out.

    Input: (batch, x, y[, z], channels), sizes that 2 ** (levels - 1) divides.
    Output: (batch, x, y[, z], classes), float32 probabilities (softmax).
    `dtype`: a Keras dtype policy, for instance "mixed_bfloat16"; the output is float32 always.
    """

    def two_convolutions(tensor, count: int):
        for _ in range(2):
            tensor = layers.convolution(dimensions, count, 3, activation="relu", dtype=dtype)(tensor)
            if batch_norm_momentum is not None:
                tensor = layers.FusedBatchNormalization(momentum=batch_norm_momentum, dtype=dtype)(tensor)
        return tensor

    inputs = keras.Input((None,) * dimensions + (channels,))
    tensor = inputs
    skips = []
    for count in filters[:-1]:
        tensor = two_convolutions(tensor, count)
        skips.append(tensor)
        tensor = layers.max_pooling(dimensions, 2, dtype=dtype)(tensor)
    tensor = two_convolutions(tensor, filters[-1])
    for count, skip in zip(filters[-2::-1], skips[::-1], strict=True):
        tensor = layers.transposed_convolution(dimensions, count, 2, dtype=dtype)(tensor)
        tensor = keras.layers.Concatenate(dtype=dtype)([tensor, skip])
        tensor = two_convolutions(tensor, count)
    tensor = layers.convolution(dimensions, classes, 1, dtype=dtype)(tensor)
    outputs = keras.layers.Activation("softmax", dtype="float32", name="probabilities")(tensor)
    return keras.Model(inputs, outputs, name="standard_unet")
