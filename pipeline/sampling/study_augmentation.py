"""Random changes of a whole CT for the training of networks for whole studies."""

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
    moved = np.empty_like(image)
    for channel in range(1, image.shape[3]):
        moved[..., channel] = read(image[..., channel], places, 1)
    values = read(image[..., 0], places, 1)
    values *= np.float32(rng.uniform(*settings.brightness))
    if settings.noise_sd > 0:
        noise = rng.standard_normal(values.shape, np.float32)
        noise *= np.float32(rng.uniform(0.0, settings.noise_sd))
        noise *= values > 0
        values += noise
    moved[..., 0] = np.clip(values, 0.0, 1.0, out=values)
    return moved


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
