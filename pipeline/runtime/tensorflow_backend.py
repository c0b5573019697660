"""The only file that talks to TensorFlow itself; everything else talks to Keras."""

import tensorflow as tf

OutOfMemory = tf.errors.ResourceExhaustedError
"""What an operation raises where the GPU's memory is insufficient."""


def fused_batch_norm(inputs, scale, offset, *, mean, variance, epsilon: float, training: bool):
    """TensorFlow's fused batch normalisation on a tensor of any rank, channels last.

    Returns (normalised inputs, batch mean, biased batch variance) when training, and the given statistics otherwise.
    The kernel reports the Bessel-corrected variance; it is rescaled by (N - 1) / N, N values per channel, to equal
    the biased variance that Keras averages.
    """
    scale, offset, mean, variance = (tf.cast(tensor, tf.float32) for tensor in (scale, offset, mean, variance))
    shape = tf.shape(inputs)
    flat = tf.reshape(inputs, (1, -1, 1, inputs.shape[-1]))
    if not training:
        outputs, _, _ = tf.compat.v1.nn.fused_batch_norm(
            flat, scale, offset, mean=mean, variance=variance, epsilon=epsilon, is_training=False
        )
        return _like(outputs, inputs, shape), mean, variance
    outputs, batch_mean, batch_variance = tf.compat.v1.nn.fused_batch_norm(
        flat, scale, offset, epsilon=epsilon, is_training=True
    )
    count = tf.cast(tf.shape(flat)[1], tf.float32)
    return _like(outputs, inputs, shape), batch_mean, batch_variance * (count - 1.0) / count


def fused_instance_norm(inputs, scale, offset, *, epsilon: float):
    """Instance normalisation of a tensor of any rank, channels last, by the kernel of fused batch normalisation.

    To the kernel, each channel of each sample is a channel of one single sample.
    """
    shape = tf.shape(inputs)
    batch, channels = shape[0], inputs.shape[-1]
    scale, offset = (tf.tile(tf.cast(tensor, tf.float32), [batch]) for tensor in (scale, offset))
    samples_last = tf.transpose(tf.reshape(inputs, (batch, -1, channels)), (1, 0, 2))
    flat = tf.reshape(samples_last, (1, -1, 1, batch * channels))
    outputs, _, _ = tf.compat.v1.nn.fused_batch_norm(flat, scale, offset, epsilon=epsilon, is_training=True)
    samples_first = tf.transpose(tf.reshape(outputs, (-1, batch, channels)), (1, 0, 2))
    return _like(samples_first, inputs, shape)


def gpu_count() -> int:
    """How many GPUs TensorFlow sees."""
    return len(tf.config.list_physical_devices("GPU"))


def devices() -> list[str]:
    """The GPUs, or the devices of the processor where there is none, as TensorFlow names them."""
    found = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    return [device.name for device in found]


def scope_of(names: list[str]):
    """The scope of a strategy whose devices each hold all variables and add up their gradients."""
    return tf.distribute.MirroredStrategy(names).scope


def replicas() -> int:
    """The number of devices of the strategy in whose scope this is called."""
    return tf.distribute.get_strategy().num_replicas_in_sync


def gpu_generation() -> int:
    """The major number of the first GPU's compute capability."""
    details = tf.config.experimental.get_device_details(tf.config.list_physical_devices("GPU")[0])
    return details.get("compute_capability", (0, 0))[0]


def compute_deterministically() -> None:
    """From now on, TensorFlow's operations give the same bits at each repetition."""
    tf.config.experimental.enable_op_determinism()


def gradient(function, at):
    """The gradient of a function of a tensor, whose value is a single number."""
    place = tf.convert_to_tensor(at)
    with tf.GradientTape() as tape:
        tape.watch(place)
        value = function(place)
    return tape.gradient(value, place)


def _like(flat, inputs, shape):
    outputs = tf.reshape(flat, shape)
    outputs.set_shape(inputs.shape)
    return outputs
