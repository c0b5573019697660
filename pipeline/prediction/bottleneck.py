"""The deepest features of a U-Net: what goes into its first transposed convolution, averaged over a tile.

No layer needs a name for that, so that it holds for model files of any version. A network without transposed
convolutions has none.
"""

import functools
from collections.abc import Sequence

import numpy as np

from pneumoseg.pipeline.models.training_features import SMALLEST_SHARE, TrainingFeatures, fitted
from pneumoseg.pipeline.preprocessing.case_store import StoredCase
from pneumoseg.pipeline.runtime.keras_backend import keras
from pneumoseg.pipeline.sampling import patches
from pneumoseg.pipeline.sampling.batches import normalise
from pneumoseg.pipeline.settings.schema import Settings

TRANSPOSED = (keras.layers.Conv1DTranspose, keras.layers.Conv2DTranspose, keras.layers.Conv3DTranspose)
TILES_PER_CASE = 24


def bottleneck(network: keras.Model) -> "keras.KerasTensor | None":
    """The deepest features (n, x, y[, z], channels) of a network."""
    if not getattr(network, "inputs", None):  # a subclass of Keras's model, of which no graph is known
        return None
    first = next((layer for layer in network.layers if isinstance(layer, TRANSPOSED)), None)
    return None if first is None or isinstance(first.input, list) else first.input


@functools.lru_cache(maxsize=2)
def with_features(network: keras.Model) -> keras.Model | None:
    """The network with a second output, its deepest features averaged over each tile, (n, channels); None where it has
    none. It shares the weights. Kept for the next case, as Keras is slow to begin with a new one."""
    features = _pooled(network)
    return None if features is None else keras.Model(network.input, [network.output, features])


def _pooled(network: keras.Model) -> "keras.KerasTensor | None":
    deepest = bottleneck(network)
    if deepest is None:
        return None
    axes = tuple(range(1, len(deepest.shape) - 1))
    return keras.ops.mean(keras.ops.cast(deepest, "float32"), axis=axes)


def training_features(network: keras.Model, cases: Sequence[StoredCase], settings: Settings) -> TrainingFeatures | None:
    """The distribution of the network's deepest features over tiles of prepared cases, at most 24 of each, that hold
    any class but the background. None where the network has no such features, or there are less than two tiles."""
    pooled = _pooled(network)
    if pooled is None:
        return None
    encoder = keras.Model(network.input, pooled)
    found = []
    for case in cases:
        for tile in _tiles(case, settings):
            found.append(np.asarray(encoder.predict_on_batch(patches.as_network_sees(tile[None], settings))))
    features = np.concatenate(found) if found else np.empty((0, 1))
    return fitted(features) if len(features) > 1 and np.isfinite(features).all() else None


def _tiles(case: StoredCase, settings: Settings):
    """Normalised tiles (x, y, z, channels) side by side."""
    shape = patches.patch_shape(settings, case.shape)
    classes = len(settings.labels.names)
    corners = []
    for corner in patches.grid_corners(case.shape, shape):
        labels = patches.crop(case.labels, corner, shape)
        if np.count_nonzero((labels > 0) & (labels < classes)) >= SMALLEST_SHARE * labels.size:
            corners.append(corner)
    for corner in corners[:: -(-len(corners) // TILES_PER_CASE) or 1]:
        tile = patches.crop_slices(case.image, corner, shape, fill=case.air, settings=settings)
        yield normalise(tile, case, settings)
