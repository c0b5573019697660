"""Where the lungs are in a chest CT, by thresholds and connected components alone, without a trained network.

Lung is what is airy within the body; trachea, stomach and bowel are airy too, but filled with air alone, which is
darker. Dense tissue within the lungs, such as vessels and consolidations, is taken in by closing and by filling holes.
"""

from collections.abc import Sequence

import edt
import numpy as np
from scipy import ndimage

from pneumoseg.data_io.volumes.hounsfield import AIR_HU
from pneumoseg.pipeline.preprocessing.body_mask import body_mask

AIRY_HU = -320.0
"""Lung with ground glass is below, soft tissue above; fixed thresholds for lungs lie at -400 to -300 HU."""

MEDIAN_HU = (-970.0, -450.0)
AIR_ALONE_HU = -900.0
"""Nine tenths of gas are below; of lung, with its vessels, even of an emphysema, fewer (as in `dicom.coverage`)."""

GAS_HU = -920.0
GAS_OPENING_MM = 3.0
GAS_WALL_MM, GAS_SHELL_MM = 5.0, 10.0
GAS_TISSUE_SHARE = 0.4
"""Of what lies between both distances from gas: tissue around trachea, stomach and bowel, more lung around air within
the lungs, such as a bulla. Up to the first one voxels are gas and wall together."""
LEAST_GAS_ML = 1.0
TISSUE_OPENING_MM = 5.0
"""The skin of the table is thinner than twice this, the chest wall is not."""
OPENING_MM = 2.0
CLOSING_MM = 10.0
LARGEST_HOLE_CM2 = 12.0
"""In an axial slice; what is larger is heart or liver."""
LEAST_ML = 50.0
LEAST_SHARE = 0.04
"""Of the larger lung's volume: the smaller one of two."""


def lung_mask(hu: np.ndarray, spacing_mm: Sequence[float]) -> np.ndarray:
    """The lungs in a CT, `hu` (x, y, z), RAS+, whose voxels are `spacing_mm` apart: bool of the same shape, empty where
    there are none.

    Of the airy parts of the body, the two largest that are not air alone. Consolidations are within as far as aerated
    lung lies around them (to 20 mm across at the pleura); a lung without air is missed. Made for grids of 2 to 3 mm.
    """
    hu = np.asarray(hu, np.float32)
    tissue = _opened(hu > AIRY_HU, spacing_mm, TISSUE_OPENING_MM)
    airy = (hu < AIRY_HU) & body_mask(np.where(tissue, hu, np.float32(AIR_HU)))
    airy &= ~_gas(hu, airy, spacing_mm)
    parts, count = ndimage.label(_opened(airy, spacing_mm, OPENING_MM))
    lungs = np.zeros(hu.shape, bool)
    for part in _lungs_among(parts, count, hu, float(np.prod(spacing_mm)) / 1000):
        lungs |= _closed(parts == part, spacing_mm)
    return lungs


def _gas(hu: np.ndarray, airy: np.ndarray, spacing_mm: Sequence[float]) -> np.ndarray:
    """Gas outside the lungs, within the airy voxels, with what lies around it."""
    parts, _ = ndimage.label(_opened(airy & (hu < GAS_HU), spacing_mm, GAS_OPENING_MM))
    least = LEAST_GAS_ML * 1000 / float(np.prod(spacing_mm))
    gas = np.zeros(hu.shape, bool)
    for number, box in enumerate(ndimage.find_objects(parts), start=1):
        outer = _grown(box, hu.shape, GAS_SHELL_MM, spacing_mm)
        part = parts[outer] == number
        if np.count_nonzero(part) < least:
            continue
        away_mm = _distance(~part, spacing_mm)
        shell = (away_mm > GAS_WALL_MM) & (away_mm <= GAS_SHELL_MM)
        if np.count_nonzero(shell & ~airy[outer]) > GAS_TISSUE_SHARE * np.count_nonzero(shell):
            gas[outer] |= away_mm <= GAS_WALL_MM
    return gas


def _lungs_among(parts: np.ndarray, count: int, hu: np.ndarray, voxel_ml: float) -> list[int]:
    """The numbers of the one or two parts that are lungs, the larger first."""
    sizes_ml = np.bincount(parts.ravel(), minlength=count + 1)[1:] * voxel_ml
    order = [1 + int(index) for index in np.argsort(-sizes_ml) if sizes_ml[index] >= LEAST_ML]
    lungs = [part for part in order[:6] if _is_lung(hu[parts == part])][:2]
    return [part for part in lungs if sizes_ml[part - 1] >= LEAST_SHARE * sizes_ml[lungs[0] - 1]]


def _is_lung(values: np.ndarray) -> bool:
    least, most = MEDIAN_HU
    return bool(least < np.median(values) < most and np.percentile(values, 90) > AIR_ALONE_HU)


def _opened(mask: np.ndarray, spacing_mm: Sequence[float], radius_mm: float) -> np.ndarray:
    """Without thin bridges, such as those to the bowel or between both lungs."""
    core = _distance(mask, spacing_mm) > radius_mm
    return (_distance(~core, spacing_mm) <= radius_mm) & mask if core.any() else core


def _closed(mask: np.ndarray, spacing_mm: Sequence[float]) -> np.ndarray:
    """The mask with gaps closed and what it encloses, in 3D and in each axial slice."""
    margins = _margins(CLOSING_MM, spacing_mm)
    outer = _grown(ndimage.find_objects(mask.astype(np.uint8))[0], mask.shape, CLOSING_MM, spacing_mm)
    padded = np.pad(mask[outer], [(margin, margin) for margin in margins], mode="edge")  # a cut lung goes on beyond
    grown = _distance(~padded, spacing_mm) <= CLOSING_MM
    inside = tuple(slice(margin, -margin) for margin in margins)
    part = (_distance(grown, spacing_mm) > CLOSING_MM)[inside] | mask[outer]
    for index in range(part.shape[2]):
        part[:, :, index] = _without_holes(part[:, :, index], LARGEST_HOLE_CM2 * 100 / (spacing_mm[0] * spacing_mm[1]))
    closed = np.zeros(mask.shape, bool)
    closed[outer] = part
    return closed


def _without_holes(plane: np.ndarray, largest: float) -> np.ndarray:
    """The plane with holes of at most that many pixels filled."""
    holes, _ = ndimage.label(ndimage.binary_fill_holes(plane) & ~plane)
    small = np.bincount(holes.ravel()) <= largest
    small[0] = False
    return plane | small[holes]


def _margins(reach_mm: float, spacing_mm: Sequence[float]) -> list[int]:
    return [int(np.ceil(reach_mm / size)) + 1 for size in spacing_mm]


def _grown(
    box: tuple[slice, ...], shape: tuple[int, ...], reach_mm: float, spacing_mm: Sequence[float]
) -> tuple[slice, ...]:
    """The box with that much around it, within the array."""
    sides = zip(box, _margins(reach_mm, spacing_mm), shape, strict=True)
    return tuple(slice(max(0, one.start - margin), min(size, one.stop + margin)) for one, margin, size in sides)


def _distance(mask: np.ndarray, spacing_mm: Sequence[float]) -> np.ndarray:
    """Distance in mm of each voxel of the mask from those outside it; the border of the array is none."""
    return edt.edt(np.asfortranarray(mask), anisotropy=tuple(map(float, spacing_mm)), black_border=False, parallel=1)
