"""Segmenting a whole volume: overlapping tiles through the network, averaged, back on the scanner's grid."""

from collections.abc import Callable, Sequence

import numpy as np

from data_io.reporting import track
from data_io.volume import Volume
from pipeline import patches
from pipeline.preprocessing import PreparedVolume, Preprocessor
from pipeline.settings import Settings

Network = Callable[[np.ndarray], np.ndarray]
"""From normalised tiles, float32 (n, x, y[, z], 1), to class probabilities (n, x, y[, z], classes)."""


def ensemble(networks: Sequence[Network]) -> Network:
    """One network whose probabilities are the mean of several."""
    if len(networks) == 1:
        return networks[0]

    def mean(tiles: np.ndarray) -> np.ndarray:
        total = np.asarray(networks[0](tiles), np.float32).copy()
        for network in networks[1:]:
            total += network(tiles)
        return total / np.float32(len(networks))

    return mean


def predict_volume(image: Volume, network: Network, settings: Settings) -> Volume:
    """Segments a CT volume (HU): uint8 class numbers on the volume's own grid."""
    preprocessor = Preprocessor(settings.preprocessing)
    prepared = preprocessor.apply(image)
    return preprocessor.undo(predict_probabilities(prepared, network, settings), image)


def predict_probabilities(prepared: PreparedVolume, network: Network, settings: Settings) -> np.ndarray:
    """Class probabilities on the network's grid, float32 (x, y, z, classes): the weighted mean over the tiles."""
    volume_shape = prepared.image.shape
    shape = patches.patch_shape(settings, volume_shape)
    corners = patches.grid_corners(volume_shape, shape, settings.prediction.overlap)
    weights = patches.tile_weights(shape, settings.prediction.weights)
    total = np.zeros((*volume_shape, len(settings.labels.names)), np.float32)
    seen = np.zeros(volume_shape, np.float32)
    size = settings.prediction.batch
    starts = range(0, len(corners), size)
    for start in track(starts, "Segmenting", len(starts)):
        chosen = corners[start : start + size]
        tiles = np.stack([patches.crop(prepared.image, corner, shape, prepared.air) for corner in chosen])[..., None]
        tiles = (tiles - np.float32(prepared.mean)) / np.float32(prepared.sd)
        if settings.dimensions == 2:
            tiles = tiles[:, :, :, 0]
        outputs = np.asarray(network(tiles), np.float32).reshape(len(chosen), *shape, -1)
        for corner, output in zip(chosen, outputs, strict=True):
            inside, part = _overlap(corner, shape, volume_shape)
            total[inside] += output[part] * weights[part][..., None]
            seen[inside] += weights[part]
    return total / seen[..., None]


def _overlap(corner, shape, volume_shape):
    """Slices of the volume and of the tile where both lie."""
    starts = [max(start, 0) for start in corner]
    stops = [min(start + size, end) for start, size, end in zip(corner, shape, volume_shape, strict=True)]
    inside = tuple(slice(start, stop) for start, stop in zip(starts, stops, strict=True))
    part = tuple(slice(start - first, stop - first) for start, stop, first in zip(starts, stops, corner, strict=True))
    return inside, part
