"""Random changes of a training patch: where its voxels are read from, mirroring, and intensities.

Geometry is drawn before anything is read, so that only the voxels that the patch needs are touched and what lies
outside a volume is air and background. Changes and their ranges are those of batchgenerators (Isensee et al. 2020).
"""

import math
from collections.abc import Callable

import numpy as np
from scipy import ndimage

from pneumoseg.pipeline.preprocessing.resampling import resample
from pneumoseg.pipeline.sampling.interpolation import Places
from pneumoseg.pipeline.settings.schema import AugmentationSettings

CELLS_PER_SIGMA = 2  # of the noise behind an elastic displacement


def draw_places(
    rng: np.random.Generator, corner, shape, *, spacing_mm, settings: AugmentationSettings
) -> Places | None:
    """Where each voxel of the patch is read from; None where nothing was drawn: the patch is a plain crop.

    Rotation about each axis and scaling act in millimetres about the patch's centre, elastic displacement in voxels, a
    shift by a share of the patch. Axes of one voxel (that across the slice of a 2D patch) stay as they are.
    """
    rotate, scale, deform = rng.random(3) < settings.probability
    angles = np.deg2rad(rng.uniform(-settings.rotation_deg, settings.rotation_deg, 3))
    factor = _about_one(rng, settings.scale)
    alpha, sigma = rng.uniform(*settings.elastic_alpha), rng.uniform(*settings.elastic_sigma)
    deform = deform and settings.elastic_alpha[1] > 0
    move = settings.shift > 0 and rng.random() < settings.probability
    if not (rotate or scale or deform or move):
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
    displacement = elastic_displacement(rng, shape, alpha, sigma=sigma) if deform else None
    origin = np.asarray(corner) + centre - matrix @ centre
    if move:
        shares = rng.uniform(-settings.shift, settings.shift, 3)
        origin += [
            0.0 if axis in flat else share * size for axis, (share, size) in enumerate(zip(shares, shape, strict=True))
        ]
    return Places(tuple(shape), origin, matrix, displacement)


def elastic_displacement(rng: np.random.Generator, shape, alpha: float, *, sigma: float) -> np.ndarray:
    """A smooth random displacement in voxels (Simard et al. 2003), float32 (3, x, y, z); 0 along axes of one voxel.

    `alpha` times the Gaussian smoothing, `sigma` voxels wide, of noise that is uniform in -1..1 in each voxel and 0
    outside the patch. Sums of the noise over cells of half a sigma are drawn instead of single voxels (normal, with a
    third of the cell's volume as variance) and each cell's smooth bump is added up by one small matrix per axis: the
    same mean, variance and correlation to a percent, the falling variance at the patch's faces included.
    """
    kernels, sizes = [], []
    for size in shape:
        cells = min(size, math.ceil(size * CELLS_PER_SIGMA / sigma))
        middles = (np.arange(cells) + 0.5) * (size / cells) - 0.5
        distance = np.arange(size)[:, None] - middles[None, :]
        kernel = np.exp(-0.5 * (distance / sigma) ** 2) / (np.sqrt(2.0 * np.pi) * sigma)
        kernels.append((np.sqrt(size / cells) * kernel if size > 1 else np.ones((1, 1))).astype(np.float32))
        sizes.append(cells)
    moving = [axis for axis, size in enumerate(shape) if size > 1]
    noise = rng.standard_normal((len(moving), *sizes), np.float32) * np.float32(alpha / np.sqrt(3.0))
    field = kernels[0] @ noise.reshape(len(moving), sizes[0], -1)
    field = kernels[1] @ field.reshape(-1, sizes[1], sizes[2])
    field = (field @ kernels[2].T).reshape(len(moving), *shape)
    if len(moving) == len(shape):
        return field
    displacement = np.zeros((len(shape), *shape), np.float32)
    displacement[moving] = field
    return displacement


def mirror(
    rng: np.random.Generator, image: np.ndarray, labels: np.ndarray, *, mirrored: tuple[int, ...], settings
) -> tuple[np.ndarray, np.ndarray]:
    """Flips image (x, y, z, channels) and labels (x, y, z) along each of `mirror_axes` with `mirror_probability`, but
    not along an axis of one voxel; may return views.

    A flip along x (left-right) also exchanges the classes that are each other's mirror image: `mirrored` gives for
    each class the class it becomes. Labels that are no class stay as they are.
    """
    draws = rng.random(3) < settings.mirror_probability
    axes: tuple[int, ...] = tuple(axis for axis in settings.mirror_axes if draws[axis] and labels.shape[axis] > 1)
    if axes:
        image, labels = np.flip(image, axes), np.flip(labels, axes)
    if 0 in axes:
        becomes = np.arange(256, dtype=np.uint8)
        becomes[: len(mirrored)] = mirrored
        labels = becomes[labels]
    return image, labels


def change_intensities(rng: np.random.Generator, image: np.ndarray, settings: AugmentationSettings) -> np.ndarray:
    """Blur, low resolution, brightness, contrast, gamma and Gaussian noise, each with `probability`.

    `image`: float32, normalised, (x, y, z, channels); it may be overwritten. All channels are changed alike. The
    noise's standard deviation is drawn from `noise_variance`, as batchgenerators does.
    """
    changes: list[tuple[tuple[float, float], float, Callable, Callable]] = [
        (settings.blur_sigma, 0.0, _evenly, blur),
        (settings.low_resolution, 1.0, _evenly, lower_resolution),
        (settings.brightness, 1.0, _evenly, change_brightness),
        (settings.contrast, 1.0, _about_one, change_contrast),
        (settings.gamma, 1.0, _about_one, change_gamma),
        (settings.noise_variance, 0.0, _evenly, lambda values, sd: add_noise(rng, values, sd)),
    ]
    for ends, neutral, draw, change in changes:
        drawn, parameter = rng.random() < settings.probability, draw(rng, ends)
        if drawn and ends != (neutral, neutral):
            image = change(image, parameter)
    return image


def blur(image: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian smoothing, `sigma` in voxels, along the axes of more than one voxel."""
    return ndimage.gaussian_filter(image, [*(sigma if size > 1 else 0.0 for size in image.shape[:3]), 0.0])


def lower_resolution(image: np.ndarray, factor: float) -> np.ndarray:
    """The nearest voxels of a grid of `factor` times the size, enlarged again by cubic interpolation, in place.

    What a scan with fewer voxels shows (Isensee et al. 2021); no value is beyond those of the small grid.
    """
    x, y, z = (max(1, round(voxels * factor)) for voxels in image.shape[:3])
    for channel in range(image.shape[3]):
        small = resample(image[..., channel], (x, y, z), order=0)
        large = resample(small, image.shape[:3], order=3)
        np.clip(large, small.min(), small.max(), out=image[..., channel])
    return image


def change_brightness(image: np.ndarray, factor: float) -> np.ndarray:
    """Multiplies the values, in place."""
    image *= np.float32(factor)
    return image


def change_contrast(image: np.ndarray, factor: float) -> np.ndarray:
    """Stretches the values about their mean, in place, and cuts them off where the range of values ended before."""
    low, high, mean = image.min(), image.max(), image.mean()
    image *= np.float32(factor)
    image += np.float32(mean * (1.0 - factor))
    return np.clip(image, low, high, out=image)


def change_gamma(image: np.ndarray, gamma: float) -> np.ndarray:
    """Raises the values, taken as shares of their range, to the power `gamma`, in place; mean and sd are kept."""
    low, high, mean, sd = image.min(), image.max(), image.mean(), image.std()
    image -= low
    image /= high - low + np.float32(1e-7)
    np.power(image, np.float32(gamma), out=image)
    image -= image.mean()
    image *= sd / (image.std() + np.float32(1e-8))
    image += mean
    return image


def add_noise(rng: np.random.Generator, image: np.ndarray, sd: float) -> np.ndarray:
    """Adds normal noise of standard deviation `sd` to each voxel, in place."""
    noise = rng.standard_normal(image.shape, np.float32)
    noise *= np.float32(sd)
    image += noise
    return image


def _evenly(rng: np.random.Generator, ends: tuple[float, float]) -> float:
    return float(rng.uniform(*ends))


def _about_one(rng: np.random.Generator, ends: tuple[float, float]) -> float:
    """Below or above 1 with equal chance, evenly within each side, as batchgenerators draws factors."""
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
