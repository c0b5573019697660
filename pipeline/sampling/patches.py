"""Where a patch lies: at random, centred on foreground, or on a grid; and how overlapping tiles are weighted.

Places are given by the patch's first voxel (corner), which may be negative: a patch reaches beyond a volume that is
smaller than it, and sees air and background there.
"""

import itertools
import math
from collections.abc import Sequence

import numpy as np

from pneumoseg.pipeline.settings.schema import Settings

Shape = tuple[int, ...]
"""Three numbers of voxels, along x, y, z."""


def patch_shape(settings: Settings, volume_shape: Shape) -> Shape:
    """The patch in three axes: one slice for a 2D network, the volume rounded up to the divisor for the full image.

    >>> patch_shape(Settings(patches={"shape": [32, 64], "axis": 0}), (100, 100, 100))
    (1, 32, 64)
    """
    shape = settings.patches.shape
    if shape is None:
        divisor = settings.divisor
        return tuple(-(-size // divisor) * divisor for size in volume_shape)
    return in_three_axes(shape, settings)


def in_three_axes(shape: Sequence[int], settings: Settings) -> Shape:
    """A shape as the network sees it in three axes: one voxel across the slice of a 2D network."""
    sizes = dict(zip(settings.axes, shape, strict=True))
    return tuple(sizes.get(axis, 1) for axis in range(3))


def network_shape(settings: Settings, volume_shape: Shape) -> Shape:
    """The patch as the network sees it: of two axes for a 2D network."""
    shape = patch_shape(settings, volume_shape)
    return tuple(shape[axis] for axis in settings.axes)


def as_network_sees(patches: np.ndarray, settings: Settings) -> np.ndarray:
    """Patches (n, x, y, z, channels) without the axis across the slices for a 2D network."""
    return patches if settings.dimensions == 3 else np.squeeze(patches, 1 + settings.patches.axis)


def capped_shape(settings: Settings, largest_voxels: int) -> Shape:
    """The patch as the network sees it, or a smaller one where it has more than `largest_voxels`: its longest axis is
    halved until it fits or the divisor forbids. Of the full image, 32 voxels along each axis, 128 for a 2D network."""
    divisor, nominal = settings.divisor, 128 if settings.dimensions == 2 else 32
    shape = list(settings.patches.shape or (-(-nominal // divisor) * divisor,) * settings.dimensions)
    while math.prod(shape) > largest_voxels:
        halved = [axis for axis, size in enumerate(shape) if size % (2 * divisor) == 0]
        if not halved:
            break
        longest = max(halved, key=lambda axis: shape[axis])
        shape[longest] //= 2
    return tuple(shape)


def random_corner(rng: np.random.Generator, volume_shape, shape) -> Shape:
    """A corner drawn evenly among those that keep the patch inside; centred along axes where the volume is smaller."""
    return tuple(
        int(rng.integers(0, size - patch + 1)) if size > patch else (size - patch) // 2
        for size, patch in zip(volume_shape, shape, strict=True)
    )


def corner_around(voxel, volume_shape, shape) -> Shape:
    """The corner of the patch centred on `voxel`, moved as little as needed to keep the patch inside."""
    return tuple(
        min(max(int(place) - patch // 2, 0), size - patch) if size > patch else (size - patch) // 2
        for place, size, patch in zip(voxel, volume_shape, shape, strict=True)
    )


def grid_corners(volume_shape, shape, overlap: float = 0.0) -> list[Shape]:
    """Corners of evenly spaced tiles that cover the volume, neighbours sharing at least `overlap` of a tile.

    Along an axis where the volume is smaller there is one tile, centred.
    """
    axes = []
    for size, patch in zip(volume_shape, shape, strict=True):
        if size <= patch:
            axes.append([(size - patch) // 2])
            continue
        stride = max(1, int(patch * (1.0 - overlap)))
        count = -(-(size - patch) // stride) + 1
        axes.append([round(index * (size - patch) / (count - 1)) for index in range(count)])
    return list(itertools.product(*axes))


def crop(array: np.ndarray, corner, shape, *, fill: float | Sequence[float] = 0) -> np.ndarray:
    """A copy of the block of `shape` voxels at `corner` of an array (x, y, z[, channels]); `fill` (air, background; one
    for all channels, or one for each) outside the array."""
    starts = [max(start, 0) for start in corner]
    stops = [min(start + patch, size) for start, patch, size in zip(corner, shape, array.shape[:3], strict=True)]
    result = np.empty((*shape, *array.shape[3:]), array.dtype)
    result[...] = fill
    if all(stop > start for start, stop in zip(starts, stops, strict=True)):
        inside = tuple(
            slice(start - first, stop - first) for start, stop, first in zip(starts, stops, corner, strict=True)
        )
        result[inside] = array[tuple(slice(start, stop) for start, stop in zip(starts, stops, strict=True))]
    return result


def crop_slices(image: np.ndarray, corner, shape, *, fill: Sequence[float], settings: Settings) -> np.ndarray:
    """A copy of a block of an image (x, y, z, channels) with the channels of the neighbouring slices that the network
    sees, from the lowest to the highest."""
    blocks = [crop(image, moved, shape, fill=fill) for moved in neighbouring(corner, settings)]
    return blocks[0] if len(blocks) == 1 else np.concatenate(blocks, axis=3)


def neighbouring(corner, settings: Settings) -> list[np.ndarray]:
    """The places of a slice and of its neighbours, from the lowest to the highest, where it lies at `corner`."""
    across = np.eye(3, dtype=int)[settings.patches.axis]
    count = settings.patches.neighbours
    return [np.asarray(corner) + step * across for step in range(-count, count + 1)]


def tile_weights(shape, kind: str) -> np.ndarray:
    """Weight of each voxel of a tile in the average over overlapping tiles, float32, largest 1 and never 0.

    "gaussian": a normal curve about the tile's centre with a standard deviation of an eighth of the tile (Isensee et
    al. 2021), so that voxels seen near a border count little; "uniform": 1 everywhere.
    """
    weights = np.ones(shape, np.float32)
    if kind == "gaussian":
        for axis, size in enumerate(shape):
            place = np.arange(size) - (size - 1) / 2.0
            curve = np.exp(-0.5 * (place / (size / 8.0)) ** 2)
            weights *= curve.reshape([-1 if other == axis else 1 for other in range(len(shape))]).astype(np.float32)
        weights = np.maximum(weights / weights.max(), 1e-4)
    return weights
