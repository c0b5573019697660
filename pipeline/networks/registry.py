"""Networks by name. A user-defined network is a function that returns a Keras model, named "module:function":

    def shallow(dimensions, channels, classes, settings, dtype):
        inputs = keras.Input((None,) * dimensions + (channels,))
        outputs = layers.convolution(dimensions, classes, 3, activation="softmax", dtype="float32")(inputs)
        return keras.Model(inputs, outputs)

`settings` is the NetworkSettings, `dtype` a Keras dtype policy; the output is (batch, ..., classes), float32
probabilities, whatever `settings.output` says. Custom layer classes need
`@keras.saving.register_keras_serializable()`, and models with them are loaded with `trust_plugins`. Deep supervision
attaches to layers named decoder_0, decoder_1, ... (full resolution, half, ...).
"""

from pneumoseg.pipeline.networks import architectures
from pneumoseg.pipeline.runtime.keras_backend import keras
from pneumoseg.pipeline.settings import plugins
from pneumoseg.pipeline.settings.schema import Settings

NETWORKS = {
    "standard-unet": architectures.standard_unet,
    "residual-unet": architectures.residual_unet,
    "dense-unet": architectures.dense_unet,
    "compact-unet": architectures.compact_unet,
    "attention-unet": architectures.attention_unet,
    "attention-residual-unet": architectures.attention_residual_unet,
    "multires-unet": architectures.multires_unet,
    "plain-unet": architectures.plain_unet,
}


def build_network(settings: Settings, dtype: str = "float32") -> keras.Model:
    """The network that the settings describe, with weights initialised from the seed of Keras."""
    builder = plugins.find(settings.network.name, NETWORKS, "network")
    return builder(settings.dimensions, settings.channels, len(settings.labels.names), settings.network, dtype)
