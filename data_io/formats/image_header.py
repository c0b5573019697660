"""What the header of a NRRD or MetaImage says."""

import math
from dataclasses import dataclass

import numpy as np

from pneumoseg.data_io.formats.stored_voxels import StoredVoxels
from pneumoseg.data_io.volumes.volume import LPS_TO_RAS


@dataclass(frozen=True, eq=False)
class ImageHeader:
    """`shape` in stored order, the first axis fastest; `affine` (4x4) from voxel indices to RAS+ millimetres; `voxels`:
    where they lie."""

    shape: tuple[int, ...]
    affine: np.ndarray
    voxels: StoredVoxels


def affine_of(spacing_mm: tuple[float, ...], direction: tuple[float, ...], origin_mm: tuple[float, ...]) -> np.ndarray:
    """ITK's geometry (LPS; `direction` row by row, the columns are the axes) as a 4x4 affine to RAS+ millimetres; axes
    beyond the third are left out."""
    axes = math.isqrt(len(direction))
    count = min(axes, 3)
    affine = np.eye(4)
    affine[:count, :count] = np.reshape(direction, (axes, axes))[:count, :count] * spacing_mm[:count]
    affine[:count, 3] = origin_mm[:count]
    affine[:3] = LPS_TO_RAS @ affine[:3]
    return affine
