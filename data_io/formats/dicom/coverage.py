"""Whether an axial CT series holds the lungs from apex to base, told from five of its slices.

Lung is what is airy within the body. Trachea, stomach and bowel are airy too, but filled with air alone, which is
darker; so is the foam of the table, which lies outside the body.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import ndimage

from pneumoseg.data_io.console import warnings_of_this_thread
from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.dicom.pixels import check_pixels, hounsfield
from pneumoseg.data_io.formats.dicom.series import Series
from pneumoseg.data_io.formats.dicom.stack_geometry import StackGeometry
from pneumoseg.data_io.volumes.hounsfield import is_hu

PIXEL_MM = 1.5  # slices are averaged to about this
TISSUE_HU = -300
AIRY_HU = -400
MEDIAN_HU = (-970, -450)
AIR_ALONE_HU = -900  # nine tenths of gas are below; of lung, with its vessels, even of an emphysema, fewer
FEW_PIXELS = 10
OPENING_MM = 3.0
LEAST_PART_CM2 = 4.0  # a trachea is smaller
CUT_CM2 = 15.0  # more lung in the first or last slice: the rest of it is missing
LUNG_CM2 = 20.0  # so much of a slice between them is lung


@dataclass(frozen=True)
class Coverage:
    """`whole_lung` and why; `has_lung`: whether a slice shows lung, None where that is not known; `extremes`: the least
    and the largest value of the slices that were read, in HU if they are any."""

    whole_lung: Literal["yes", "no", "unknown"]
    reason: str
    has_lung: bool | None = None
    extremes: tuple[float, float] | None = None


def lung_coverage(series: Series, geometry: StackGeometry) -> Coverage:
    """Reads the first and the last slice of a plain CT series and three between them."""
    count = len(series.slices)
    chosen = [series.slices[at] for at in sorted({0, count // 4, count // 2, 3 * count // 4, count - 1})]
    with warnings_of_this_thread(hold_back=True):
        try:
            check_pixels("", chosen)
            slices = [hounsfield(one) for one in chosen]
        except InputError:
            gone = not all(one.file.exists() for one in chosen)
            return Coverage("unknown", "files were removed" if gone else "pixels are missing or damaged")
    extremes = min(float(one.min()) for one in slices), max(float(one.max()) for one in slices)
    if geometry.plane != "axial" or geometry.spacing_mm is None or len(chosen) < 3:
        return Coverage("unknown", "only stacks of axial slices are looked at", None, extremes)
    if not is_hu(*extremes):
        return Coverage("unknown", "values are no HU", None, extremes)
    areas = [lung_area_cm2(one, geometry.spacing_mm[:2]) for one in slices]
    ends = dict(zip(_ends(series), (areas[0], areas[-1]), strict=True))
    cut = [f"{area:.0f} cm2 of lung in the {end} slice" for end, area in sorted(ends.items()) if area > CUT_CM2]
    if not cut and max(areas) < LUNG_CM2:
        return Coverage("no", "no lung in five slices", False, extremes)
    return Coverage("no" if cut else "yes", " and ".join(cut) or "no lung in the first and last slice", True, extremes)


def _ends(series: Series) -> tuple[str, str]:
    """What the first and the last slice are called: by the patient, whatever their order."""
    first, last = (one.position_mm or (0.0, 0.0, 0.0) for one in (series.slices[0], series.slices[-1]))
    return ("lowest", "highest") if first[2] < last[2] else ("highest", "lowest")


def lung_area_cm2(hu: np.ndarray, pixel_mm: tuple[float, float]) -> float:
    """The area of lung in an axial slice of HU (columns, rows), whose pixels are that far apart.

    The body is the largest part of tissue, its holes filled; lung is airy parts of it larger than a trachea that are
    more than air alone.
    """
    steps = [max(1, round(PIXEL_MM / size)) for size in pixel_mm]
    columns, rows = (size // step * step for size, step in zip(hu.shape, steps, strict=True))
    blocks = hu[:columns, :rows].reshape(columns // steps[0], steps[0], rows // steps[1], steps[1])
    small = blocks.mean(axis=(1, 3))
    sizes_mm = [size * step for size, step in zip(pixel_mm, steps, strict=True)]
    tissue = small > TISSUE_HU
    if repeats := round(OPENING_MM / max(sizes_mm)):
        tissue = ndimage.binary_opening(tissue, iterations=repeats)
    parts, count = ndimage.label(tissue)
    if not count:
        return 0.0
    body = ndimage.binary_fill_holes(parts == 1 + np.argmax(np.bincount(parts.ravel())[1:]))
    parts, count = ndimage.label(body & (small < AIRY_HU))
    inner = np.where(ndimage.binary_erosion(parts > 0), parts, 0)
    areas = np.bincount(parts.ravel(), minlength=count + 1) * sizes_mm[0] * sizes_mm[1] / 100
    large = 1 + np.flatnonzero(areas[1:] >= LEAST_PART_CM2)
    return float(sum(areas[part] for part in large if _is_lung(small, inner == part, parts == part)))


def _is_lung(hu: np.ndarray, inner: np.ndarray, whole: np.ndarray) -> bool:
    """By the values of an airy part without its edge, where averages of air and tissue lie."""
    values = hu[inner] if np.count_nonzero(inner) >= FEW_PIXELS else hu[whole]
    least, most = MEDIAN_HU
    return bool(least < np.median(values) < most and np.percentile(values, 90) > AIR_ALONE_HU)
