"""Rebuilds a network in another precision, or with standard layers for export."""

from pneumoseg.pipeline.networks import layers
from pneumoseg.pipeline.runtime.keras_backend import keras

PLAIN = {
    layers.FusedBatchNormalization: keras.layers.BatchNormalization,
    layers.FusedInstanceNormalization: layers.InstanceNormalization,
}


def rebuild(network: keras.Model, precision: str, plain: bool = False) -> keras.Model:
    """A copy of `network` whose layers compute in `precision`, a Keras dtype policy; its outputs stay float32.

    `plain`: with normalisations of elementary operations instead of the fused ones, for export. Returns the network
    itself where nothing changes.
    """
    policies = {layer.dtype_policy.name for layer in network.layers if layer.weights}
    if policies <= {precision} and not plain:
        return network
    outputs = set(network.output_names)

    def copy(layer: keras.layers.Layer) -> keras.layers.Layer:
        config = layer.get_config()
        if "dtype" in config:
            config["dtype"] = "float32" if layer.name in outputs else precision
        kind = PLAIN.get(type(layer), type(layer)) if plain else type(layer)
        return kind.from_config(config)

    copied = keras.models.clone_model(network, clone_function=copy)
    copied.set_weights(network.get_weights())
    return copied
