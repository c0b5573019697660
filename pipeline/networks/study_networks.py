"""Networks that say one thing of a whole CT: the probability of the disease, a severity score, or both.

Input: (batch, x, y, z, channels), values of 0..1; as all networks here, and other than the arrays of a cohort file,
which are (z, y, x). Output: a dictionary of float32 arrays (batch, 1), "label", the probability of the disease, and
"score", the severity as a share of 100 (linear: it may lie outside 0..1).
"""

from typing import get_args

from pneumoseg.data_io.errors import InputError
from pneumoseg.pipeline.networks.blocks import Kit
from pneumoseg.pipeline.networks.study_trunks import LEVEL, TRUNKS
from pneumoseg.pipeline.runtime.keras_backend import keras
from pneumoseg.pipeline.settings.studies import Head, StudySettings

HEADS = get_args(Head)
TRANSPOSED = keras.layers.Conv3DTranspose


def build_study_network(settings: StudySettings, dtype: str = "float32") -> keras.Model:
    """The network that the settings describe, with weights initialised from the seed of Keras: the trunk, the average
    over all voxels, a dense layer with ReLU and dropout, and an output for each head."""
    how = settings.network
    kit = Kit(3, dtype, how.batch_norm_momentum)
    inputs = keras.Input((*settings.input.shape[::-1], settings.input.channels))
    tensor = keras.layers.GlobalAveragePooling3D(dtype=dtype, name="average")(TRUNKS[how.name](kit, inputs, how))
    tensor = keras.layers.Dense(how.dense_units, activation="relu", dtype=dtype, name="dense")(tensor)
    tensor = keras.layers.Dropout(how.dropout, dtype=dtype, name="dropout")(tensor)
    activations = {"label": "sigmoid", "score": "linear"}
    outputs = {
        head: keras.layers.Dense(1, activation=activations[head], dtype="float32", name=head)(tensor)
        for head in HEADS
        if head in how.heads
    }
    return keras.Model(inputs, outputs, name=how.name.replace("-", "_"))


def last_level(settings: StudySettings) -> str:
    """The name of the layer whose output is the last, coarsest feature map."""
    return LEVEL.format(len(settings.network.filters) - 1)


def copy_encoder(segmentation: keras.Model, network: keras.Model, settings: StudySettings) -> None:
    """Copies the weights of the encoder of a segmentation U-Net into the trunk of a `unet-encoder`; all else keeps its
    own. Raises InputError where the encoders differ."""
    if settings.network.name != "unet-encoder":
        raise InputError(
            f"weights of a segmentation model fit the network unet-encoder, found {settings.network.name}; set "
            "network.name to unet-encoder and network.filters to those of that model"
        )
    up = next((layer for layer in segmentation.layers if isinstance(layer, TRANSPOSED)), None)
    if up is None:
        raise InputError("a 3D U-Net is needed to start from, found a network without 3D transposed convolutions")
    given = keras.Model(segmentation.inputs, up.input)
    ours = keras.Model(network.inputs, network.get_layer(last_level(settings)).output)
    shapes = [[weight.shape for weight in part.get_weights()] for part in (given, ours)]
    if shapes[0] != shapes[1]:
        how = settings.network
        raise InputError(
            f"the encoder to start from has {given.count_params():,} parameters in {len(shapes[0])} arrays, the "
            f"settings describe one with {ours.count_params():,} in {len(shapes[1])} (encoder {how.encoder}, filters "
            f"{list(how.filters)}, {settings.input.channels} input channels); use those of the segmentation model"
        )
    ours.set_weights(given.get_weights())
