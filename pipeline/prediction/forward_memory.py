"""How much memory segmenting takes, estimated from the settings before any of it is taken."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pneumoseg.pipeline.runtime import hardware
from pneumoseg.pipeline.settings.schema import Settings

if TYPE_CHECKING:
    from pneumoseg.pipeline.runtime.keras_backend import keras

BYTES = 4.0
MAPS_AT_ONCE = 5.0
"""So many feature maps of a level's width are in memory together: skip connection, decoder's input, output."""
LARGEST_BATCH_GB = 4.0
"""More at a time makes no processor faster."""
LOWERED_BATCH_GB = 0.1
SHARE_AT_ONCE = 0.3
"""Of what all layers of a network put out, so much is in memory together."""


def tile_gb(settings: Settings, shape: Sequence[int]) -> float:
    """Memory that a network of these settings takes for one tile of `shape` voxels: a rough estimate."""
    voxels, classes, dimensions = math.prod(shape), len(settings.labels.names), settings.dimensions
    widths = sum(count / 2.0 ** (level * dimensions) for level, count in enumerate(settings.network.filters))
    return voxels * BYTES * (MAPS_AT_ONCE * widths + classes) / 1e9


def require_tile_memory(settings: Settings, shape: Sequence[int], origin: str) -> None:
    """Raises InputError where one tile of `shape` voxels would take more memory than this process may use."""
    hardware.require_memory(
        f"{origin}: segmenting a tile of {list(shape)} with {settings.network.filters[0]} filters",
        tile_gb(settings, shape),
        remedy="use a model of smaller patches",
    )


def require_prediction_memory(network: "keras.Model", shape: tuple[int, ...], batch: int, *, origin: str) -> None:
    """Raises InputError where `batch` tiles of `shape` would take a network more memory than this process may use."""
    from pneumoseg.pipeline.networks.operations import forward_operations

    hardware.require_memory(
        f"{origin}: segmenting {batch} tiles of {list(shape)} at once",
        forward_operations(network, shape)[1] * SHARE_AT_ONCE * batch * BYTES / 1e9,
        remedy="lower prediction.batch, or use a smaller model",
    )


def fitting_batch(settings: Settings) -> int:
    """How many tiles are predicted at a time: prediction.batch, or fewer where a processor's memory is insufficient.

    The result is the same. A GPU's memory is not known here.
    """
    batch, shape = settings.prediction.batch, settings.patches.shape
    if shape is None:
        return 1  # the whole image is one tile
    one = tile_gb(settings, shape)
    if hardware.gpu_present() or batch * one <= max(one, min(LARGEST_BATCH_GB, hardware.memory_gb() / 4.0)):
        return batch
    return max(1, int(LOWERED_BATCH_GB / one))


def with_fitting_batch(settings: Settings) -> Settings:
    """The settings with the `fitting_batch` in place of prediction.batch."""
    return with_batch(settings, fitting_batch(settings))


def with_batch(settings: Settings, batch: int) -> Settings:
    """The settings with `batch` in place of prediction.batch."""
    return settings.model_copy(update={"prediction": settings.prediction.model_copy(update={"batch": batch})})
