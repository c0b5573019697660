"""Resampling along the axes, as one small matrix per axis.

Spline interpolation of a signal of n values at m places is a linear map, an m x n matrix. SciPy defines that matrix
here; applying it is a matrix product, which is the fastest thing that a processor does, needs no copy of the volume in
double precision, and may be done slab by slab. The grids share their outer faces (not their first voxel's centre), so
that the field of view stays the same.
"""

import functools
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from scipy import ndimage

from pneumoseg.data_io.volumes.volume import Grid


def resampled_grid(grid: Grid, spacing_mm: tuple[float, float, float]) -> Grid:
    """The grid over the same field of view whose spacing is nearest to `spacing_mm`; each axis keeps a voxel."""
    x, y, z = (
        max(1, round(size * old / new)) for size, old, new in zip(grid.shape, grid.spacing_mm, spacing_mm, strict=True)
    )
    return resized_grid(grid, (x, y, z))


def resized_grid(grid: Grid, shape: tuple[int, int, int]) -> Grid:
    """The grid of `shape` voxels over the same field of view."""
    factors = np.array(grid.shape) / np.array(shape)
    affine = grid.affine.copy()
    affine[:3, :3] = grid.affine[:3, :3] * factors
    affine[:3, 3] += grid.affine[:3, :3] @ ((factors - 1.0) / 2.0)
    return Grid(shape, affine)


NEGLIGIBLE = 1e-8
SURELY_BACKGROUND = 0.501  # a little above one half, for the rounding of sums in float32


@functools.lru_cache(maxsize=64)
def interpolation_matrix(size: int, new_size: int, order: int) -> np.ndarray:
    """The (new_size, size) float32 matrix of spline interpolation of `order` with the nearest value outside."""
    identity = np.eye(size, dtype=np.float32)
    if size == new_size:
        return identity
    if size == 1:
        return np.ones((new_size, 1), np.float32)
    matrix = ndimage.zoom(identity, (new_size / size, 1), order=order, mode="nearest", grid_mode=True)
    # The far tail of a spline, below what float32 sums can hold, would make every plane depend on all others.
    matrix[np.abs(matrix) < NEGLIGIBLE] = 0.0
    return matrix


def resample(array: np.ndarray, shape: tuple[int, int, int], order: int) -> np.ndarray:
    """The (x, y, z) array on `shape` voxels over the same field of view, float32."""
    everything = (slice(0, array.shape[0]),)
    return resample_slabs([(everything, array)], array.shape, shape, axis=0, order=order)


def resample_slabs(
    slabs: Iterable[tuple[tuple[slice, ...], np.ndarray]],
    size: tuple[int, ...],
    shape: tuple[int, ...],
    *,
    axis: int,
    order: int,
) -> np.ndarray:
    """What `resample` gives for a volume of `size` voxels that comes in slabs along `axis`.

    `slabs`: (place, array), the part of the volume that the array is, in any order. Only the result, float32 of
    `shape`, and one slab are in memory at a time.
    """
    result = np.zeros(shape, np.float32)
    for place, slab in slabs:
        range_on_axis, part = slab_share(slab, place[axis], size=size, shape=shape, axis=axis, order=order)
        result[(slice(None),) * axis + (range_on_axis,)] += part
    return result


def slab_share(
    slab: np.ndarray,
    planes: slice,
    *,
    size: tuple[int, ...],
    shape: tuple[int, ...],
    axis: int,
    order: int,
) -> tuple[slice, np.ndarray]:
    """What one slab, `planes` of a volume of `size` voxels along `axis`, adds to the volume on `shape` voxels.

    Returns the planes along `axis` that it adds to, and the float32 values; these sum up to the resampled volume.
    """
    columns = interpolation_matrix(size[axis], shape[axis], order)[:, planes]
    rows = np.flatnonzero(columns.any(axis=1))
    if not rows.size:
        return slice(0, 0), np.zeros([0 if other == axis else shape[other] for other in range(3)], np.float32)
    part = np.asarray(slab, dtype=np.float32)
    for other in sorted({0, 1, 2} - {axis}, key=lambda other: shape[other] / size[other]):
        part = _along(interpolation_matrix(size[other], shape[other], order), part, other)
    new_planes = slice(int(rows[0]), int(rows[-1]) + 1)
    return new_planes, _along(columns[new_planes], part, axis)


def _along(matrix: np.ndarray, array: np.ndarray, axis: int) -> np.ndarray:
    """The matrix applied along one axis; nothing to do for an identity."""
    if _is_identity(matrix):
        return array
    return np.moveaxis(np.tensordot(matrix, array, axes=(1, axis)), 0, axis)


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


def interpolated_planes(
    planes: Iterable[np.ndarray], size: tuple[int, int, int], shape: tuple[int, int, int], *, slab: int = 16
) -> Iterator[tuple[int, np.ndarray]]:
    """Linear interpolation of maps that come plane by plane, yielded slab by slab.

    `planes`: float32 (channels, n, y, x), together the `size` (x, y, z) voxels from z = 0 up. Yields (start, array):
    float32 (channels, n, Y, X), the planes from index `start` of the `shape` (X, Y, Z), at most `slab` at a time.
    """
    to_x, to_y, _ = (interpolation_matrix(old, new, 1) for old, new in zip(size, shape, strict=True))
    for start, part in _along_z(planes, size[2], shape[2], slab):
        yield start, _in_plane(part, to_y, to_x)


def most_probable_planes(
    maps: Sequence[tuple[Iterable[np.ndarray], tuple[int, int, int]]],
    shape: tuple[int, int, int],
    *,
    weights: Sequence[float] = (1.0,),
    threshold: float = 0.5,
    slab: int = 16,
) -> Iterator[tuple[int, np.ndarray]]:
    """The class numbers, uint8 (n, Y, X), of the weighted mean of what `interpolated_planes` would give for each of
    `maps`: planes of class probabilities, and their size.

    Where all neighbours are background with more than one half, so is every point between them: only the rectangle
    around the rest is interpolated. `weights`: their sum is 1. `threshold`: as `most_probable`.
    """
    surely_background = max(SURELY_BACKGROUND, 1.0 - threshold + SURELY_BACKGROUND - 0.5)
    matrices = [[interpolation_matrix(old, new, 1) for old, new in zip(size, shape, strict=True)] for _, size in maps]
    slabs_of = [_along_z(planes, size[2], shape[2], slab) for planes, size in maps]
    for slabs in zip(*slabs_of, strict=True):
        start, count = slabs[0][0], slabs[0][1].shape[1]
        labels = np.zeros((count, shape[1], shape[0]), np.uint8)
        questions = [(part[0] <= surely_background).any(axis=0) for _, part in slabs]
        new_y = _hull([_reached(to_y, one.any(axis=1)) for (_, to_y, _), one in zip(matrices, questions, strict=True)])
        new_x = _hull([_reached(to_x, one.any(axis=0)) for (to_x, _, _), one in zip(matrices, questions, strict=True)])
        if new_y.stop > new_y.start and new_x.stop > new_x.start:
            weighted = []
            for (_, part), (to_x, to_y, _), weight in zip(slabs, matrices, weights, strict=True):
                old_y, old_x = _needed(to_y, new_y), _needed(to_x, new_x)
                inside = _in_plane(part[:, :, old_y, old_x], to_y[new_y, old_y], to_x[new_x, old_x])
                weighted.append(inside * np.float32(weight))
            labels[:, new_y, new_x] = most_probable(functools.reduce(np.add, weighted), threshold)
        yield start, labels


def most_probable(probabilities: np.ndarray, threshold: float = 0.5) -> np.ndarray:
    """For probabilities (classes, ...) the uint8 number of the largest; the lowest number at a tie.

    With a `threshold` other than one half there are two classes: 1 where its probability is above that.
    """
    if threshold != 0.5:
        return (probabilities[1] > threshold).astype(np.uint8)
    best = probabilities[0].copy()
    labels = np.zeros(best.shape, np.uint8)
    for number, other in enumerate(probabilities[1:], start=1):
        np.putmask(labels, other > best, number)
        np.maximum(best, other, out=best)
    return labels


def _along_z(planes: Iterable[np.ndarray], size: int, new_size: int, slab: int) -> Iterator[tuple[int, np.ndarray]]:
    """Planes (channels, n, y, x) interpolated along z, at most `slab` at a time; holds no more than a slab needs."""
    matrix = interpolation_matrix(size, new_size, 1)
    coming = iter(planes)
    held, first = next(coming), 0
    for start in range(0, new_size, slab):
        rows = matrix[start : start + slab]
        used = np.flatnonzero(rows.any(axis=0))
        low, high = used[0], used[-1] + 1
        while True:
            done = min(low - first, held.shape[1])
            held, first = held[:, done:], first + done
            if first + held.shape[1] >= high:
                break
            held = np.concatenate([held, next(coming)], axis=1)
        channels, _, height, width = held.shape
        flat = np.ascontiguousarray(held[:, : high - low]).reshape(channels, high - low, height * width)
        yield start, (rows[:, low:high] @ flat).reshape(channels, len(rows), height, width)


def _in_plane(part: np.ndarray, to_y: np.ndarray, to_x: np.ndarray) -> np.ndarray:
    part = part if _is_identity(to_y) else to_y @ part
    return part if _is_identity(to_x) else part @ to_x.T


def _is_identity(matrix: np.ndarray) -> bool:
    rows, columns = matrix.shape
    return rows == columns == np.count_nonzero(matrix) and bool((matrix.diagonal() == 1).all())


def _reached(matrix: np.ndarray, old: np.ndarray) -> slice:
    """The range of new places that the marked `old` places have a part in; empty between the old places that a much
    coarser grid looks at."""
    new = np.flatnonzero(matrix[:, old].any(axis=1))
    return slice(int(new[0]), int(new[-1]) + 1) if new.size else slice(0, 0)


def _needed(matrix: np.ndarray, new: slice) -> slice:
    """The range of old places that a range of new places is interpolated from."""
    old = np.flatnonzero(matrix[new].any(axis=0))
    return slice(int(old[0]), int(old[-1]) + 1)


def _hull(ranges: Sequence[slice]) -> slice:
    """The smallest range that holds all that are not empty."""
    whole = [one for one in ranges if one.stop > one.start]
    return slice(min(one.start for one in whole), max(one.stop for one in whole)) if whole else slice(0, 0)
