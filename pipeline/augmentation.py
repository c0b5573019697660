"""Random changes of a training patch: where its voxels are read from, mirroring, and intensities.

Geometry is drawn before anything is read, so that only the voxels that the patch needs are touched and what lies
outside a volume is air and background. Intensity changes are batchgenerators' (Isensee et al. 2020).
"""

import functools
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
from batchgenerators.augmentations import color_augmentations, noise_augmentations
from batchgenerators.augmentations.utils import elastic_deform_coordinates
from scipy import ndimage

from pipeline.settings import AugmentationSettings


def spatial_coordinates(
    rng: np.random.Generator, corner, shape, spacing_mm, settings: AugmentationSettings
) -> np.ndarray | None:
    """For each voxel of the patch, the place (in voxels of the volume) it is read from: float32 (3, x, y, z).

    Rotation about each axis and scaling act in millimetres about the patch's centre; the elastic displacement is
    smoothed noise (Simard et al. 2003). Axes of one voxel (the z axis of a 2D patch) stay as they are. None where
    nothing was drawn: the patch is a plain crop.
    """
    rotate, scale, deform = rng.random(3) < settings.probability
    angles = np.deg2rad(rng.uniform(-settings.rotation_deg, settings.rotation_deg, 3))
    factor = _range(rng, settings.scale)
    alpha, sigma = rng.uniform(*settings.elastic_alpha), rng.uniform(*settings.elastic_sigma)
    seed = int(rng.integers(2**32))
    deform = deform and settings.elastic_alpha[1] > 0
    if not (rotate or scale or deform):
        return None
    flat = [axis for axis, size in enumerate(shape) if size == 1]
    matrix = np.eye(3)
    if rotate:
        matrix = _rotation(np.array([angle if not flat or axis in flat else 0.0 for axis, angle in enumerate(angles)]))
    if scale:
        matrix = matrix @ np.diag([1.0 if axis in flat else factor for axis in range(3)])
    spacing = np.asarray(spacing_mm)
    matrix = matrix * spacing[None, :] / spacing[:, None]
    centre = (np.asarray(shape) - 1) / 2.0
    offsets = np.stack(
        np.meshgrid(*[np.arange(size) - middle for size, middle in zip(shape, centre, strict=True)], indexing="ij")
    ).astype(np.float32)
    coordinates = np.tensordot(matrix.astype(np.float32), offsets, axes=1)
    if deform:
        moving = [axis for axis in range(3) if axis not in flat]
        index = tuple(0 if axis in flat else slice(None) for axis in range(3))
        with seeded(seed):
            moved = elastic_deform_coordinates(coordinates[moving][(slice(None), *index)], alpha, sigma)
        coordinates[moving] = moved.reshape(coordinates[moving].shape)
    return coordinates + (np.asarray(corner) + centre).reshape(3, 1, 1, 1).astype(np.float32)


def read_at(array: np.ndarray, coordinates: np.ndarray, order: int, outside: float = 0) -> np.ndarray:
    """The array's values at `coordinates` (3, x, y, z) by spline interpolation of `order`; `outside` beyond the array.

    Reads only the block that the coordinates span.
    """
    margin = 0 if order == 0 else order + 1
    low = np.maximum(np.floor(coordinates.min(axis=(1, 2, 3))).astype(int) - margin, 0)
    high = np.minimum(np.ceil(coordinates.max(axis=(1, 2, 3))).astype(int) + margin + 1, array.shape)
    if (low >= high).any():
        return np.full(coordinates.shape[1:], outside, np.float32 if array.dtype == np.float16 else array.dtype)
    block = np.asarray(array[tuple(slice(start, stop) for start, stop in zip(low, high, strict=True))])
    if block.dtype == np.float16:
        block = block.astype(np.float32)
    places = coordinates - low.reshape(3, 1, 1, 1).astype(np.float32)
    return ndimage.map_coordinates(block, places, order=order, mode="grid-constant", cval=outside)


def mirror(
    rng: np.random.Generator, image: np.ndarray, labels: np.ndarray, mirrored: tuple[int, ...], settings
) -> tuple[np.ndarray, np.ndarray]:
    """Flips image and labels (x, y, z) along each of `mirror_axes` with `mirror_probability`.

    A flip along x (left-right) also exchanges the classes that are each other's mirror image: `mirrored` gives for
    each class the class it becomes.
    """
    draws = rng.random(3) < settings.mirror_probability
    axes: tuple[int, ...] = tuple(axis for axis in settings.mirror_axes if draws[axis])
    if axes:
        image, labels = np.flip(image, axes), np.flip(labels, axes)
    if 0 in axes:
        labels = np.asarray(mirrored, np.uint8)[labels]
    return np.ascontiguousarray(image), np.ascontiguousarray(labels)


def change_intensities(rng: np.random.Generator, image: np.ndarray, settings: AugmentationSettings) -> np.ndarray:
    """Brightness, contrast (range kept), gamma (mean and sd kept) and Gaussian noise, each with `probability`.

    `image`: float32, normalised, (x, y, z). The noise's standard deviation is drawn from `noise_variance`, as
    batchgenerators does. The draws come from `rng`, whatever state the global generators are in.
    """
    keep_stats = functools.partial(color_augmentations.augment_gamma, retain_stats=True)
    changes: list[tuple[tuple[float, float], float, Callable]] = [
        (settings.brightness, 1.0, color_augmentations.augment_brightness_multiplicative),
        (settings.contrast, 1.0, color_augmentations.augment_contrast),
        (settings.gamma, 1.0, keep_stats),
        (settings.noise_variance, 0.0, noise_augmentations.augment_gaussian_noise),
    ]
    draws = rng.random(len(changes)) < settings.probability
    data = image[None]
    with seeded(int(rng.integers(2**32))):
        for drawn, (ends, neutral, change) in zip(draws, changes, strict=True):
            if drawn and ends != (neutral, neutral):
                data = change(data, ends)
    return data[0].astype(np.float32, copy=False)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seeds the global generators that batchgenerators draws from, and puts their state back."""
    numpy_state, python_state = np.random.get_state(), random.getstate()  # noqa: NPY002
    np.random.seed(seed)  # noqa: NPY002
    random.seed(seed)
    try:
        yield
    finally:
        np.random.set_state(numpy_state)  # noqa: NPY002
        random.setstate(python_state)


def _range(rng: np.random.Generator, ends: tuple[float, float]) -> float:
    """Below or above 1 with equal chance, evenly within each side, as batchgenerators draws scales."""
    low, high = ends
    if low < 1.0 and (high <= 1.0 or rng.random() < 0.5):
        return float(rng.uniform(low, min(high, 1.0)))
    return float(rng.uniform(max(low, 1.0), high))


def _rotation(angles: np.ndarray) -> np.ndarray:
    matrix = np.eye(3)
    for axis, angle in enumerate(angles):
        one, other = [rest for rest in range(3) if rest != axis]
        turn = np.eye(3)
        turn[one, one] = turn[other, other] = np.cos(angle)
        turn[one, other], turn[other, one] = -np.sin(angle), np.sin(angle)
        matrix = matrix @ turn
    return matrix
