"""Limits of a CT's grid: what no CT has is refused before memory is allocated, what is unusual gets a warning."""

import math

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.volumes.volume import Grid

SPACING_LIMITS_MM = (0.05, 50.0)
"""From the voxels of a micro-CT of the lung to far beyond the thickest slices (10 mm)."""

LARGEST_EXTENT_MM = (1000.0, 1000.0, 2500.0)
"""Along x, y, z: the bore of a scanner is at most 900 mm wide, and no body is longer."""

MOST_VOXELS = 4096
"""Along one axis: a matrix of 2048 is the largest that scanners reconstruct."""

MOST_PIXELS = 8192 * 8192
"""Of a picture; fewer than Pillow itself warns of."""

FEW_SLICES = 10
"""A CT of a chest with fewer slices is unusual."""

ORTHOGONAL_COSINE = 1e-3
"""Largest cosine between two axes still called orthogonal: header rounding stays below 1e-6, a tilted gantry above."""


def check_ct_grid(grid: Grid) -> None:
    """Raises InputError where the spacing, the extent or the number of voxels along an axis is that of no CT.

    A picture, one slice of nominal 1 mm pixels, has MOST_PIXELS at most instead: its size in mm is not known.
    """
    least, most = SPACING_LIMITS_MM
    canonical = grid.canonical()
    sizes = _listed(canonical.shape)
    if grid.shape[2] == 1 and grid.spacing_mm == (1.0, 1.0, 1.0):
        if math.prod(grid.shape) > MOST_PIXELS:
            raise InputError(f"a picture has at most {MOST_PIXELS} pixels, found {sizes}; crop or shrink it")
        return
    if not all(least <= spacing <= most for spacing in grid.spacing_mm):
        raise InputError(
            f"voxels of a CT lie {least:g} to {most:g} mm apart, found a spacing of {_listed(grid.spacing_mm)} mm; "
            "correct the spacing, or its unit, in the header"
        )
    if max(grid.shape) > MOST_VOXELS:
        raise InputError(
            f"a CT has at most {MOST_VOXELS} voxels along an axis, found {sizes}; correct the header or crop the volume"
        )
    extent_mm = [size * spacing for size, spacing in zip(canonical.shape, canonical.spacing_mm, strict=True)]
    if any(size > limit for size, limit in zip(extent_mm, LARGEST_EXTENT_MM, strict=True)):
        raise InputError(
            f"a CT extends at most {_listed(LARGEST_EXTENT_MM)} mm along x, y and z, found {_listed(extent_mm)} mm: "
            f"{sizes} voxels of {_listed(canonical.spacing_mm)} mm; correct the header or crop the volume"
        )


def _listed(values) -> str:
    return " x ".join(f"{value:.4g}" if isinstance(value, float) else str(value) for value in values)
