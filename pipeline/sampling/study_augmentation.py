"""Random changes of a whole CT for the training of networks for whole studies."""

import functools
import math

import numpy as np

from pneumoseg.pipeline.sampling.interpolation import Places, read
from pneumoseg.pipeline.settings.studies import StudyAugmentationSettings


def augmented(
    image: np.ndarray,
    rng: np.random.Generator,
    settings: StudyAugmentationSettings,
    *,
    spacing_mm: tuple[float, float, float],
) -> np.ndarray:
    """The image turned, scaled, shifted, mirrored, brighter or darker, and noisy, as the settings say.

    `image`: float32 (x, y, z, channels), as of `study_input.network_input`; what is moved in from outside it is 0.
    `spacing_mm`: between its voxels along x, y, z; it is turned in millimetres, so that shapes stay as they are.
    Intensities of the first channel alone are changed; they stay within 0..1. The same generator gives the same image.
    """
    if not settings.enabled:
        return image
    places = _places(image.shape[:3], rng, settings, spacing_mm)
    moved = [read(image[..., channel], places, 1) for channel in range(image.shape[3])]
    values = moved[0]
    values *= np.float32(rng.uniform(*settings.brightness))
    if settings.noise_sd > 0:
        noise = _noise(values.size, rng).reshape(values.shape) * np.float32(rng.uniform(0.0, settings.noise_sd))
        noise *= values > 0
        values += noise
    np.clip(values, 0.0, 1.0, out=values)
    return np.stack(moved, axis=-1)


def _noise(count: int, rng: np.random.Generator) -> np.ndarray:
    """So many values of a standard normal distribution, float32: a random part of a longer fixed row, as drawing them
    anew would take a third of the time of a change."""
    start = rng.integers(count + 1)
    return _normal_row(2 * count)[start : start + count]


@functools.lru_cache(maxsize=1)
def _normal_row(count: int) -> np.ndarray:
    row = np.random.default_rng(0).standard_normal(count, np.float32)
    row.flags.writeable = False
    return row


def _places(
    shape: tuple[int, ...],
    rng: np.random.Generator,
    settings: StudyAugmentationSettings,
    spacing_mm: tuple[float, float, float],
) -> Places:
    """Where each voxel comes from."""
    angle = math.radians(rng.uniform(-settings.rotation_deg, settings.rotation_deg))
    turn = np.array(
        [[math.cos(angle), -math.sin(angle), 0.0], [math.sin(angle), math.cos(angle), 0.0], [0.0, 0.0, 1.0]]
    )
    spacing = np.asarray(spacing_mm)
    matrix = turn * (spacing[None, :] / spacing[:, None]) / rng.uniform(*settings.scale)
    if settings.mirror and rng.random() < 0.5:
        matrix[:, 0] *= -1.0
    centre = (np.asarray(shape) - 1) / 2.0
    move = rng.uniform(-settings.shift, settings.shift, 3) * np.asarray(shape)
    return Places(tuple(shape), centre - matrix @ centre + move, matrix)
