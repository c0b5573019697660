"""Resampling along the axes, as one small matrix per axis.

Spline interpolation of a signal of n values at m places is a linear map, an m x n matrix. SciPy defines that matrix
here; applying it is a matrix product, which is the fastest thing that a processor does and needs no copy of the volume
in double precision. The grids share their outer faces (not their first voxel's centre), so that the field of view
stays the same.
"""

import functools

import numpy as np
from scipy import ndimage

from data_io.volume import Grid


def resampled_grid(grid: Grid, spacing_mm: tuple[float, float, float]) -> Grid:
    """The grid over the same field of view whose spacing is nearest to `spacing_mm`; each axis keeps a voxel."""
    x, y, z = (
        max(1, round(size * old / new)) for size, old, new in zip(grid.shape, grid.spacing_mm, spacing_mm, strict=True)
    )
    factors = np.array(grid.shape) / np.array((x, y, z))
    affine = grid.affine.copy()
    affine[:3, :3] = grid.affine[:3, :3] * factors
    affine[:3, 3] += grid.affine[:3, :3] @ ((factors - 1.0) / 2.0)
    return Grid((x, y, z), affine)


@functools.lru_cache(maxsize=64)
def interpolation_matrix(size: int, new_size: int, order: int) -> np.ndarray:
    """The (new_size, size) float32 matrix of spline interpolation of `order` with the nearest value outside."""
    identity = np.eye(size, dtype=np.float32)
    if size == new_size:
        return identity
    if size == 1:
        return np.ones((new_size, 1), np.float32)
    return ndimage.zoom(identity, (new_size / size, 1), order=order, mode="nearest", grid_mode=True)


def resample(array: np.ndarray, shape: tuple[int, int, int], order: int) -> np.ndarray:
    """The (x, y, z) array on `shape` voxels over the same field of view, float32."""
    array = np.asarray(array, dtype=np.float32)
    axes = sorted(range(3), key=lambda axis: shape[axis] / array.shape[axis])
    for axis in axes:
        if array.shape[axis] != shape[axis]:
            matrix = interpolation_matrix(array.shape[axis], shape[axis], order)
            array = np.moveaxis(np.tensordot(matrix, array, axes=(1, axis)), 0, axis)
    return np.ascontiguousarray(array)


def resample_labels(labels: np.ndarray, shape: tuple[int, int, int]) -> np.ndarray:
    """The uint8 (x, y, z) class numbers on `shape` voxels: for each voxel the class with the largest linear weight.

    Classes compete one by one, so that a corner where several classes meet goes to one of them and never to a
    background that is not there. At a tie the higher class number wins.
    """
    if labels.shape == tuple(shape):
        return labels.astype(np.uint8, copy=False)
    best = np.full(shape, -1.0, np.float32)
    result = np.zeros(shape, np.uint8)
    for label in np.unique(labels):
        weight = resample(labels == label, shape, order=1)
        wins = weight >= best
        best[wins] = weight[wins]
        result[wins] = label
    return result


def most_probable_labels(probabilities: np.ndarray, shape: tuple[int, int, int], slab: int = 16) -> np.ndarray:
    """Class probabilities (x, y, z, classes), resampled linearly to `shape` and turned to uint8 class numbers.

    Works through `slab` axial slices at a time: probabilities on the large grid never exist as a whole.
    """
    to_x, to_y, to_z = (
        interpolation_matrix(old, new, 1) for old, new in zip(probabilities.shape[:3], shape, strict=True)
    )
    labels = np.empty(shape, np.uint8)
    for start in range(0, shape[2], slab):
        rows = to_z[start : start + slab]
        used = np.flatnonzero(rows.any(axis=0))
        low, high = used[0], used[-1] + 1
        part = np.tensordot(probabilities[:, :, low:high], rows[:, low:high], axes=(2, 1))
        part = np.tensordot(to_x, part, axes=(1, 0))
        part = np.tensordot(to_y, part, axes=(1, 1))
        labels[:, :, start : start + slab] = part.argmax(axis=2).swapaxes(0, 1)
    return labels
