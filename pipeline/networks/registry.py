"""Networks by name. One of your own is a function that returns a Keras model, named "module:function":

    def shallow(dimensions, channels, classes, settings, dtype):
        inputs = keras.Input((None,) * dimensions + (channels,))
        outputs = layers.convolution(dimensions, classes, 3, activation="softmax", dtype="float32")(inputs)
        return keras.Model(inputs, outputs)

`settings` is the NetworkSettings, `dtype` a Keras dtype policy; the output is (batch, ..., classes), float32
probabilities.
"""

import keras

from pipeline import plugins
from pipeline.networks import unet
from pipeline.settings import NetworkSettings, Settings


def _standard_unet(dimensions: int, channels: int, classes: int, settings: NetworkSettings, dtype: str) -> keras.Model:
    momentum = settings.batch_norm_momentum if settings.batch_norm else None
    return unet.standard_unet(dimensions, channels, classes, settings.filters, momentum, dtype)


NETWORKS = {"standard-unet": _standard_unet}


def build_network(settings: Settings, dtype: str = "float32") -> keras.Model:
    """The network that the settings describe, with fresh weights drawn from Keras's seed."""
    builder = plugins.find(settings.network.name, NETWORKS, "network")
    return builder(settings.dimensions, 1, len(settings.labels.names), settings.network, dtype)
