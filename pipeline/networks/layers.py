"""Layers for any number of spatial dimensions, channels last: arrays are (batch, x, y[, z], channels)."""

import importlib

from pneumoseg.pipeline.runtime.device_parallel import replicas
from pneumoseg.pipeline.runtime.keras_backend import keras


def convolution(dimensions: int, filters: int, size: int, **arguments) -> keras.layers.Layer:
    """A same-padded convolution with a cubic kernel of `size` voxels."""
    layer = {1: keras.layers.Conv1D, 2: keras.layers.Conv2D, 3: keras.layers.Conv3D}[dimensions]
    return layer(filters, size, padding="same", **arguments)


def transposed_convolution(dimensions: int, filters: int, stride: int, **arguments) -> keras.layers.Layer:
    """The learned up-sampling of U-Nets: kernel = stride, so that output voxels never overlap."""
    layer = {
        1: keras.layers.Conv1DTranspose,
        2: keras.layers.Conv2DTranspose,
        3: keras.layers.Conv3DTranspose,
    }[dimensions]
    return layer(filters, stride, strides=stride, padding="same", **arguments)


def max_pooling(dimensions: int, stride: int, **arguments) -> keras.layers.Layer:
    """Max-pooling over non-overlapping blocks of `stride` voxels."""
    layer = {1: keras.layers.MaxPooling1D, 2: keras.layers.MaxPooling2D, 3: keras.layers.MaxPooling3D}[dimensions]
    return layer(stride, **arguments)


def average_pooling(dimensions: int, stride: int, **arguments) -> keras.layers.Layer:
    """The average over non-overlapping blocks of `stride` voxels."""
    layer = {1: keras.layers.AveragePooling1D, 2: keras.layers.AveragePooling2D, 3: keras.layers.AveragePooling3D}
    return layer[dimensions](stride, **arguments)


def up_sampling(dimensions: int, factor: int, **arguments) -> keras.layers.Layer:
    """Every voxel becomes a block of `factor` equal voxels along each axis."""
    layer = {1: keras.layers.UpSampling1D, 2: keras.layers.UpSampling2D, 3: keras.layers.UpSampling3D}[dimensions]
    return layer(factor, **arguments)


@keras.saving.register_keras_serializable(package="pneumoseg")
class TwoClassSigmoid(keras.layers.Layer):
    """One score as the probabilities of two classes, the background and one more: (1 - p, p) with p = sigmoid(score).

    Input: (batch, ..., 1) of any float type. Output: (batch, ..., 2), in the layer's compute dtype, which is that of
    the sigmoid too. 1 - p is computed as sigmoid(-score), so that it is exact where p is nearly 1.
    """

    def call(self, inputs):
        """The probabilities of `inputs`."""
        scores = keras.ops.cast(inputs, self.compute_dtype)
        return keras.ops.sigmoid(keras.ops.concatenate([-scores, scores], axis=-1))

    def compute_output_shape(self, input_shape):
        """The shape of the input with two channels."""
        return (*input_shape[:-1], 2)


@keras.saving.register_keras_serializable(package="pneumoseg")
class FusedBatchNormalization(keras.layers.BatchNormalization):
    """Batch normalisation over all axes but the last, equal to that of Keras and faster under TensorFlow.

    Keras computes a 5-D batch normalisation from elementary operations, a third to half of a training step of a
    3D U-Net on a CPU. The fused kernel of TensorFlow, on a 4-D view of the tensor, computes the same in one pass. Other
    backends use the implementation of Keras, and so do several devices that share a batch, which is normalised as one.

    Input and output: (batch, ..., channels), in the layer's compute dtype; statistics are float32.
    """

    def __init__(self, momentum: float = 0.99, epsilon: float = 1e-3, **kwargs):
        # Whatever the model's file says; JAX normalises the whole batch of itself.
        kwargs["synchronized"] = keras.backend.backend() == "tensorflow"
        super().__init__(axis=-1, momentum=momentum, epsilon=epsilon, **kwargs)

    def get_config(self) -> dict:
        """The configuration of the layer, without the axis, which is always the last, and what the backend decides."""
        config = super().get_config()
        return {name: value for name, value in config.items() if name not in ("axis", "synchronized")}

    def call(self, inputs, training=None, mask=None):
        """Normalises `inputs`; updates the moving statistics when training."""
        if keras.backend.backend() != "tensorflow" or mask is not None or replicas() > 1:
            return super().call(inputs, training=training, mask=mask)
        backend = importlib.import_module("pneumoseg.pipeline.runtime.tensorflow_backend")
        training = bool(training) and self.trainable
        outputs, mean, variance = backend.fused_batch_norm(
            keras.ops.cast(inputs, self.compute_dtype),
            self.gamma if self.scale else keras.ops.ones_like(self.moving_mean),
            self.beta if self.center else keras.ops.zeros_like(self.moving_mean),
            mean=self.moving_mean,
            variance=self.moving_variance,
            epsilon=self.epsilon,
            training=training,
        )
        if training:
            keep = self.momentum
            self.moving_mean.assign(self.moving_mean * keep + mean * (1.0 - keep))
            self.moving_variance.assign(self.moving_variance * keep + variance * (1.0 - keep))
        return outputs


@keras.saving.register_keras_serializable(package="pneumoseg")
class InstanceNormalization(keras.layers.Layer):
    """Normalises each channel of each sample to mean 0 and variance 1, then scales by gamma and adds beta.

    Ulyanov et al. 2016. The same in training and prediction. Input and output: (batch, ..., channels), in the layer's
    compute dtype; statistics, gamma and beta are float32. The variance is the biased one.
    """

    def __init__(self, epsilon: float = 1e-5, **kwargs):
        super().__init__(**kwargs)
        self.epsilon = epsilon

    def build(self, input_shape):
        """One gamma and one beta for each channel."""
        self.gamma = self.add_weight(shape=input_shape[-1:], initializer="ones", name="gamma", autocast=False)
        self.beta = self.add_weight(shape=input_shape[-1:], initializer="zeros", name="beta", autocast=False)

    def call(self, inputs):
        """Normalises `inputs` over all axes but the first and the last."""
        axes = tuple(range(1, len(inputs.shape) - 1))
        values = keras.ops.cast(inputs, "float32")
        centred = values - keras.ops.mean(values, axes, keepdims=True)
        variance = keras.ops.mean(keras.ops.square(centred), axes, keepdims=True)
        outputs = centred / keras.ops.sqrt(variance + self.epsilon) * self.gamma + self.beta
        return keras.ops.cast(outputs, self.compute_dtype)

    def compute_output_shape(self, input_shape):
        """The shape of the input."""
        return input_shape

    def get_config(self) -> dict:
        """The layer's configuration."""
        return super().get_config() | {"epsilon": self.epsilon}


@keras.saving.register_keras_serializable(package="pneumoseg")
class FusedInstanceNormalization(InstanceNormalization):
    """Instance normalisation, two to four times as fast under TensorFlow by the kernel of FusedBatchNormalization.

    The kernel raises an epsilon below 1.001e-5 to that value.
    """

    def call(self, inputs):
        """Normalises `inputs` over all axes but the first and the last."""
        if keras.backend.backend() != "tensorflow":
            return super().call(inputs)
        backend = importlib.import_module("pneumoseg.pipeline.runtime.tensorflow_backend")
        inputs = keras.ops.cast(inputs, self.compute_dtype)
        return backend.fused_instance_norm(inputs, self.gamma, self.beta, epsilon=self.epsilon)
