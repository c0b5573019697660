"""Where in a CT a network for whole studies found what it says: gradient-weighted class activation maps in 3D.

Selvaraju et al., Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization, ICCV 2017.
"""

import numpy as np

from pneumoseg.data_io.errors import InputError, nearest
from pneumoseg.pipeline.models.study_model import StudyModel
from pneumoseg.pipeline.networks.study_networks import last_level
from pneumoseg.pipeline.prediction.study_outputs import called, check_shape, network_here
from pneumoseg.pipeline.preprocessing.resampling import resample
from pneumoseg.pipeline.preprocessing.study_input import network_input
from pneumoseg.pipeline.runtime.gradients import gradient
from pneumoseg.pipeline.runtime.keras_backend import keras


def grad_cam(
    model: StudyModel, image: np.ndarray, lungs: np.ndarray, *, head: str, layer: str | None = None
) -> np.ndarray:
    """What speaks for the disease (`head` "label") or for a high score ("score"), float32 (z, y, x), 0 to 1.

    `image` (HU) and `lungs` (1 within), both (z, y, x), as a cohort file holds them. The feature maps of `layer`, by
    default the last level's, are summed up, each weighted by the mean gradient of the head's output with respect to it;
    of the sum the positive part is resized to the CT, and divided by its maximum. It is 0 everywhere where nothing
    speaks for it. The output of the label is taken before its sigmoid, whose gradient would vanish for a network that
    is sure.

    Raises InputError for a CT of another shape than those of the training, for a head or a layer that the network does
    not have, and for a layer that is no feature map or is bypassed by others.
    """
    check_shape(model, image.shape)
    network = network_here(model.network)
    name = last_level(model.settings) if layer is None else layer
    before, after = _parts(network, head, name)
    seen = network_input(image, lungs, model.settings.input)
    features = called(before, seen[None])
    kernel, bias = network.get_layer(head).get_weights()
    slopes = gradient(lambda maps: (after(maps) @ kernel + bias)[0, 0], features)
    weights = slopes[0].mean(axis=(0, 1, 2))
    summed = np.maximum(features[0] @ weights, 0.0)
    resized = resample(summed, seen.shape[:3], order=1)
    largest = float(resized.max())
    return (resized / largest if largest > 0 else resized).transpose(2, 1, 0)


def _parts(network: keras.Model, head: str, name: str) -> tuple[keras.Model, keras.Model]:
    """The network up to the layer, and from there to what goes into the last layer of the head."""
    heads, layers = tuple(network.output), tuple(layer.name for layer in network.layers)
    if head not in heads:
        raise InputError(f"Grad-CAM is of an output of the network, {' or '.join(heads)}, found {head}")
    if name not in layers:
        raise InputError(f"layer {name}: the network has none of that name{nearest(name, layers)}")
    maps = network.get_layer(name).output
    if isinstance(maps, list | tuple | dict) or len(maps.shape) != 5:
        raise InputError(f"layer {name}: a layer that gives feature maps is needed, as level_0 or a convolution")
    try:
        after = keras.Model(maps, network.get_layer(head).input)
    except ValueError as error:
        raise InputError(
            f"layer {name}: other layers bypass it, so that its feature maps do not decide alone; take level_0, "
            "level_1, ... or a layer that all paths go through"
        ) from error
    return keras.Model(network.input, maps), after
