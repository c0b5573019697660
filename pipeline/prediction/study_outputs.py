"""What a network for whole studies says of a prepared CT."""

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np

from pneumoseg.data_io.errors import InputError
from pneumoseg.pipeline.models.study_model import StudyModel
from pneumoseg.pipeline.networks.rebuilding import rebuild
from pneumoseg.pipeline.preprocessing.study_input import network_input
from pneumoseg.pipeline.runtime import hardware
from pneumoseg.pipeline.runtime.keras_backend import keras
from pneumoseg.pipeline.settings.studies import LARGEST_SCORE


@dataclass(frozen=True)
class StudyOutputs:
    """`probability` of the disease, 0 to 1; `score`, severity 0 to 100. None where the network has no such output."""

    probability: float | None
    score: float | None


def study_outputs(model: StudyModel, image: np.ndarray, lungs: np.ndarray) -> StudyOutputs:
    """The outputs for one CT as a cohort file holds it: `image` (HU) and `lungs` (1 within), both (z, y, x). A score
    beyond 0..100 is cut off there.

    Raises InputError for arrays of another shape than the network was trained on, and where an output is no number.
    """
    check_shape(model, image.shape)
    seen = network_input(image, lungs, model.settings.input)
    given = called(network_here(model.network), seen[None])
    values = {head: float(array.ravel()[0]) for head, array in given.items()}
    if not all(map(np.isfinite, values.values())):
        raise InputError("the network's output is no number; its model file is damaged, or was trained to no end")
    score = values.get("score")
    return StudyOutputs(
        values.get("label"), None if score is None else min(max(score * LARGEST_SCORE, 0.0), LARGEST_SCORE)
    )


def check_shape(model: StudyModel, shape: tuple[int, ...]) -> None:
    """Raises InputError where a prepared CT has another shape (z, y, x) than those that the model was trained on."""
    needed = model.settings.input.shape
    if tuple(shape) != needed:
        raise InputError(
            f"the network was trained on CTs of {list(needed)} voxels (z, y, x), found {list(shape)}; prepare them at "
            "that shape"
        )


def network_here(network: keras.Model) -> keras.Model:
    """The network in a precision that is right and quick on this machine: as it is on a GPU, else in float32."""
    return network if hardware.gpu_available() else _in_float32(network)


def called(network: keras.Model, images: np.ndarray) -> Any:
    """The outputs of a network as arrays, float32. Without Keras's `predict`, which compiles each network anew: a few
    CTs by each of several networks take longer so, and TensorFlow warns."""
    outputs = network(images, training=False)
    return keras.tree.map_structure(lambda array: keras.ops.convert_to_numpy(array).astype(np.float32), outputs)


@functools.lru_cache(maxsize=16)
def _in_float32(network: keras.Model) -> keras.Model:
    return rebuild(network, "float32")
