"""The values of a volume at the places that a patch is read from: nearest voxel, linear, or cubic B-spline.

The same numbers as scipy.ndimage.map_coordinates(mode="grid-constant"), several times faster: compiled, in single
precision, with places worked out voxel by voxel instead of listed, and the spline's coefficients found only for the
block of the volume that the places span.
"""

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np

from pneumoseg.data_io.storage.cache import cache_folder
from pneumoseg.pipeline.sampling import patches

# Pole of the cubic B-spline's inverse filter (Unser, Aldroubi, Eden 1993): a voxel's influence on the coefficients
# around it falls by this factor with each voxel of distance.
POLE = np.float32(math.sqrt(3.0) - 2.0)
MARGIN = {0: 0, 1: 1, 3: 8}  # voxels around the places; |POLE|^8 is 3e-5


@dataclass(frozen=True, eq=False)
class Places:
    """Where each voxel of a patch of `shape` is read from, in voxels of the volume.

    The voxel with index i comes from origin + matrix @ i + displacement[:, i]. `origin`: (3,), `matrix`: (3, 3),
    `displacement`: float32 (3, x, y, z), or None where it is zero.
    """

    shape: tuple[int, ...]
    origin: np.ndarray
    matrix: np.ndarray
    displacement: np.ndarray | None = None

    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """A lowest and a highest place along each axis that no place lies beyond, (3,) each."""
        reach = self.matrix * (np.asarray(self.shape) - 1)
        lowest = self.origin + np.minimum(reach, 0.0).sum(axis=1)
        highest = self.origin + np.maximum(reach, 0.0).sum(axis=1)
        if self.displacement is not None:
            lowest = lowest + self.displacement.min(axis=(1, 2, 3))
            highest = highest + self.displacement.max(axis=(1, 2, 3))
        return lowest, highest


def read(array: np.ndarray, places: Places, order: int, *, outside: float = 0) -> np.ndarray:
    """The array's values at `places`, by spline interpolation of `order` 0, 1 or 3; `outside` beyond the array.

    `array`: (x, y, z), uint8 (order 0: class numbers stay class numbers) or floating, of which only the block that the
    places span is read. Returns uint8 or float32 of the shape of the places. The cubic spline overshoots at edges.
    """
    if array.dtype == np.uint8 and order == 0:
        block, low = np.asarray(array), np.zeros(3)
    else:
        block, low = _block(array, places, order, outside)
    moved = places.displacement is not None
    displacement = places.displacement if moved else np.zeros((3, 1, 1, 1), np.float32)
    result = np.empty(places.shape, block.dtype)
    if order == 0:
        _read_nearest(block, places.origin - low, places.matrix, moved, displacement, outside, result)
    elif order == 1:
        _read_linear(block, places.origin - low, places.matrix, moved, displacement, result)
    else:
        _read_cubic(block, places.origin - low, places.matrix, moved, displacement, result)
    return result


def _block(array: np.ndarray, places: Places, order: int, outside: float) -> tuple[np.ndarray, np.ndarray]:
    """What is interpolated between, float32 (x, y, z), and the place of its first voxel.

    Every value that a place depends on is in it: it reaches beyond the array where places do.
    """
    lowest, highest = places.bounds()
    # Along the axis of one voxel of a 2D patch nothing moves: one plane is enough, and is the same plane to all taps.
    steps = places.matrix * (np.asarray(places.shape) - 1)
    still = (lowest == highest) & (lowest == np.round(lowest)) & ~steps.any(axis=1)
    margin = np.where(still, 0, MARGIN[order])
    low = np.floor(lowest).astype(int) - margin
    size = np.ceil(highest).astype(int) + margin + 1 - low
    block = patches.crop(array, low, size, fill=outside).astype(np.float32, copy=False)
    if order == 3:
        if not still[0]:
            _spline_coefficients(block.reshape(1, size[0], -1))
        if not still[1]:
            _spline_coefficients(block)
        if not still[2]:
            _spline_coefficients(block.transpose(0, 2, 1))
    if order > 0:
        for axis in np.flatnonzero(still):
            block = block.repeat(4, axis)
            low[axis] -= 1
    return block, low


def _compiled(function: Callable) -> Callable:
    """Compiles a function at its first call; the machine code is kept in the user's cache folder for other processes.

    Sums may be reordered and multiplications fused with additions; the same machine always gives the same bits.
    """
    compiler: Callable[..., Callable] = functools.partial(
        numba.njit, fastmath={"reassoc", "contract", "nsz"}, error_model="numpy", nogil=True
    )
    config: Any = numba.config
    elsewhere = config.CACHE_DIR
    config.CACHE_DIR = str(cache_folder() / "numba")
    try:
        return compiler(cache=True)(function)
    except RuntimeError:  # no folder may be written: every process compiles for itself
        return compiler()(function)
    finally:
        config.CACHE_DIR = elsewhere


@_compiled
def _spline_coefficients(block):
    """Turns samples along the middle axis into cubic B-spline coefficients, in place; the ends go on as they are."""
    pole = np.float32(POLE)
    one = np.float32(1.0)
    gain = np.float32(6.0)
    rows, size, columns = block.shape
    for row in range(rows):
        for column in range(columns):
            block[row, 0, column] *= gain / (one - pole)
        for place in range(1, size):
            for column in range(columns):
                block[row, place, column] = gain * block[row, place, column] + pole * block[row, place - 1, column]
        for column in range(columns):
            block[row, size - 1, column] *= -pole / (one - pole)
        for place in range(size - 2, -1, -1):
            for column in range(columns):
                block[row, place, column] = pole * (block[row, place + 1, column] - block[row, place, column])


@_compiled
def _find_line(origin, matrix, moved, displacement, i, j, line):
    """Fills `line`, float64 (3, z), with the places of the patch's voxels [i, j, :]."""
    for axis in range(3):
        start = origin[axis] + matrix[axis, 0] * i + matrix[axis, 1] * j
        step = matrix[axis, 2]
        for k in range(line.shape[1]):
            line[axis, k] = start + step * k
        if moved:
            for k in range(line.shape[1]):
                line[axis, k] += displacement[axis, i, j, k]


@_compiled
def _read_nearest(block, origin, matrix, moved, displacement, outside, result):
    line = np.empty((3, result.shape[2]))
    for i in range(result.shape[0]):
        for j in range(result.shape[1]):
            _find_line(origin, matrix, moved, displacement, i, j, line)
            for k in range(result.shape[2]):
                x, y, z = line[0, k], line[1, k], line[2, k]
                at_x, at_y, at_z = math.floor(x + 0.5), math.floor(y + 0.5), math.floor(z + 0.5)
                inside = 0 <= at_x < block.shape[0] and 0 <= at_y < block.shape[1] and 0 <= at_z < block.shape[2]
                result[i, j, k] = block[at_x, at_y, at_z] if inside else outside


# The block holds every voxel that the following two ask for, so that indices are never negative: unsigned ones spare
# the check for that.


@_compiled
def _read_linear(block, origin, matrix, moved, displacement, result):
    one = np.float32(1.0)
    line = np.empty((3, result.shape[2]))
    for i in range(result.shape[0]):
        for j in range(result.shape[1]):
            _find_line(origin, matrix, moved, displacement, i, j, line)
            for k in range(result.shape[2]):
                x, y, z = line[0, k], line[1, k], line[2, k]
                at_x, at_y, at_z = np.uint64(x), np.uint64(y), np.uint64(z)
                u, v, w = np.float32(x - at_x), np.float32(y - at_y), np.float32(z - at_z)
                value = np.float32(0.0)
                for a in range(2):
                    for b in range(2):
                        row = block[at_x + np.uint64(a), at_y + np.uint64(b)]
                        weight = (u if a else one - u) * (v if b else one - v)
                        value += weight * ((one - w) * row[at_z] + w * row[at_z + np.uint64(1)])
                result[i, j, k] = value


@_compiled
def _read_cubic(block, origin, matrix, moved, displacement, result):
    size = result.shape[2]
    line = np.empty((3, size))
    first = np.empty((3, size), np.uint64)
    weights = np.empty((3, 4, size), np.float32)
    for i in range(result.shape[0]):
        for j in range(result.shape[1]):
            _find_line(origin, matrix, moved, displacement, i, j, line)
            for axis in range(3):
                for k in range(size):
                    before = np.int32(line[axis, k])
                    first[axis, k] = before - 1
                    w0, w1, w2, w3 = _cubic_weights(np.float32(line[axis, k] - before))
                    weights[axis, 0, k], weights[axis, 1, k] = w0, w1
                    weights[axis, 2, k], weights[axis, 3, k] = w2, w3
            for k in range(size):
                at_x, at_y, at_z = first[0, k], first[1, k], first[2, k]
                w0, w1, w2, w3 = weights[2, 0, k], weights[2, 1, k], weights[2, 2, k], weights[2, 3, k]
                value = np.float32(0.0)
                for a in range(4):
                    part = np.float32(0.0)
                    for b in range(4):
                        row = block[at_x + np.uint64(a), at_y + np.uint64(b)]
                        taps = w0 * row[at_z] + w1 * row[at_z + np.uint64(1)]
                        taps += w2 * row[at_z + np.uint64(2)] + w3 * row[at_z + np.uint64(3)]
                        part += weights[1, b, k] * taps
                    value += weights[0, a, k] * part
                result[i, j, k] = value


@_compiled
def _cubic_weights(t):
    """The weights of the four coefficients around a place, `t` (0..1) beyond the second of them."""
    rest = np.float32(1.0) - t
    first, last = rest * rest * rest * np.float32(1.0 / 6.0), t * t * t * np.float32(1.0 / 6.0)
    second = np.float32(2.0 / 3.0) - t * t * (np.float32(1.0) - t * np.float32(0.5))
    return first, second, np.float32(1.0) - first - second - last, last
