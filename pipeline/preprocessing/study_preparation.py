"""From a CT to a study of a cohort file: resized, with its lung mask, measured and checked.

The CT comes slab by slab, and two small grids are filled from it: that of the study, and one of a few millimetres on
which the lungs are found. So the memory needed does not grow with the number of slices.
"""

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.volumes.grid_limits import check_ct_grid
from pneumoseg.data_io.volumes.hounsfield import is_hu
from pneumoseg.data_io.volumes.lazy_volume import Scan
from pneumoseg.data_io.volumes.volume import Grid, Volume
from pneumoseg.pipeline.preprocessing.lung_mask import lung_mask
from pneumoseg.pipeline.preprocessing.resampling import interpolation_matrix, resample, resampled_grid, resized_grid
from pneumoseg.pipeline.settings.preparation import PreparationSettings

INT16 = np.iinfo(np.int16)
MOST_MASK_VOXELS = 2**27
"""Of the grid on which the lungs are found: a body of 2 m at 2.5 mm has half as many."""

LungMask = Callable[[Volume], np.ndarray]
"""From a CT in HU (x, y, z) to its lungs, bool of the same shape."""


@dataclass(frozen=True, eq=False)
class PreparedStudy:
    """A study as a cohort file holds it: `image` (int16, HU) and `lungs` (uint8, 0 and 1), both (z, y, x), over the
    field of view of the CT, `spacing_mm` between their voxels along x, y, z.

    `lung_ml`, `lung_mean_hu`: volume and mean of the lungs, on the grid where they were found; the mean is NaN without
    lungs. `slices`: of the CT, along the axis nearest to z. `content`: SHA-256 of the CT's voxels. `problems`: why the
    study is not valid, in words.
    """

    image: np.ndarray
    lungs: np.ndarray
    spacing_mm: tuple[float, float, float]
    lung_ml: float
    lung_mean_hu: float
    slices: int
    content: str
    problems: tuple[str, ...]

    @property
    def has_lungs(self) -> bool:
        """Whether the lung mask, resized, holds a voxel."""
        return bool(self.lungs.any())


def classical_lungs(ct: Volume) -> np.ndarray:
    """The lungs by thresholds and components, see `lung_mask`."""
    return lung_mask(ct.array, ct.spacing_mm)


def prepare_study(scan: Scan, settings: PreparationSettings, lungs_of: LungMask = classical_lungs) -> PreparedStudy:
    """The CT resized to `settings.shape`, linearly, with the lungs that `lungs_of` finds on a grid of about
    `settings.mask_spacing_mm`.

    `scan`: a CT in HU, opened or `Scan.from_volume`. Raises InputError for a grid that no CT has, or on which finding
    lungs would take more than `MOST_MASK_VOXELS`, for several channels, values that are no HU, and where the voxels
    cannot be read.
    """
    depth, height, width = settings.shape
    coarse_grid = _mask_grid(scan.grid, settings.mask_spacing_mm)
    (small, coarse), content = _resized(scan, [(width, height, depth), coarse_grid.shape])
    np.clip(coarse, INT16.min, INT16.max, out=coarse)  # thresholds of forged values would overflow
    ct = Volume(coarse, coarse_grid, coarse_grid)
    lungs = lungs_of(ct)
    image = np.clip(np.rint(small), INT16.min, INT16.max).astype(np.int16)
    inside = resample(lungs, small.shape, order=1) >= 0.5
    values = coarse[lungs]
    return PreparedStudy(
        image=np.ascontiguousarray(image.transpose(2, 1, 0)),
        lungs=np.ascontiguousarray(inside.transpose(2, 1, 0)).astype(np.uint8),
        spacing_mm=resized_grid(scan.grid, small.shape).spacing_mm,
        lung_ml=values.size * coarse_grid.voxel_volume_ml,
        lung_mean_hu=float(values.mean(dtype=np.float64)) if values.size else float("nan"),
        slices=scan.grid.shape[2],
        content=content,
        problems=study_problems(ct, lungs, settings),
    )


def _mask_grid(grid: Grid, spacing_mm: float) -> Grid:
    """The grid on which the lungs are found. Raises InputError before memory is taken for it."""
    check_ct_grid(grid)
    coarse = resampled_grid(grid, (spacing_mm, spacing_mm, spacing_mm))
    if math.prod(coarse.shape) > MOST_MASK_VOXELS:
        sizes, spacings, found = (
            " x ".join(f"{value:.4g}" for value in values) for values in (grid.shape, grid.spacing_mm, coarse.shape)
        )
        raise InputError(
            f"lungs are found on at most {MOST_MASK_VOXELS:,} voxels of {spacing_mm:g} mm, found {found}: the CT has "
            f"{sizes} voxels with a spacing of {spacings} mm; correct the spacing in its header, or crop it"
        )
    return coarse


def study_problems(ct: Volume, lungs: np.ndarray, settings: PreparationSettings) -> tuple[str, ...]:
    """Why a study is not valid, in words: no lungs, lungs that the first or the last slice cuts, expiration.

    `ct`: HU (x, y, z); `lungs`: bool of the same shape.
    """
    if not lungs.any():
        return ("no lungs found",)
    pixel_cm2 = float(np.prod(ct.spacing_mm[:2])) / 100
    ends = {"lowest": lungs[:, :, 0], "highest": lungs[:, :, -1]}
    areas_cm2 = {name: np.count_nonzero(plane) * pixel_cm2 for name, plane in ends.items()}
    problems = [
        f"lungs not whole: {area:.0f} cm2 of lung in the {name} slice"
        for name, area in areas_cm2.items()
        if area > settings.cut_area_cm2
    ]
    values = ct.array[lungs]
    volume_ml, mean_hu = values.size * ct.grid.voxel_volume_ml, float(values.mean(dtype=np.float64))
    darkest_hu = float(np.percentile(values, 10))
    is_dense = mean_hu > settings.expiration_mean_hu and darkest_hu > settings.expiration_darkest_hu
    if volume_ml < settings.expiration_lung_ml and is_dense:
        problems.append(
            f"expiration: {volume_ml:.0f} ml of lung, mean {mean_hu:.0f}, tenth percentile {darkest_hu:.0f} HU"
        )
    return tuple(problems)


def _resized(scan: Scan, shapes: list[tuple[int, int, int]]) -> tuple[list[np.ndarray], str]:
    """The scan on grids of each of the shapes (x, y, z), float32, over the same field of view, and the SHA-256 of its
    voxels, whatever the order in which its file stores them along the axis of the slabs."""
    size, axis = scan.grid.shape, scan.axis
    results = [np.zeros(shape, np.float32) for shape in shapes]
    planes: dict[int, bytes] = {}
    least, most = np.inf, -np.inf
    for place, slab in scan.slabs():
        if slab.ndim != 3:
            raise InputError(f"a CT has one channel, found {slab.shape[3]}; give a CT in HU")
        least, most = min(least, float(slab.min())), max(most, float(slab.max()))
        for result in results:
            _add_slab(result, slab, place[axis], size=size, axis=axis)
        whole = np.clip(np.rint(slab), INT16.min, INT16.max).astype("<i2") if slab.dtype != np.int16 else slab
        for index, plane in enumerate(np.moveaxis(whole, axis, 0), start=place[axis].start):
            planes[index] = hashlib.sha256(np.ascontiguousarray(plane.T, "<i2").data).digest()
    if not is_hu(least, most):
        raise InputError(f"a CT in HU is needed, which reaches down to air, found {least:g} to {most:g}")
    content = hashlib.sha256(f"{size} {axis}".encode() + b"".join(planes[index] for index in sorted(planes)))
    return results, content.hexdigest()


def _add_slab(result: np.ndarray, slab: np.ndarray, planes: slice, *, size: tuple[int, ...], axis: int) -> None:
    """Adds to the resized volume what the slab, `planes` of a volume of `size` voxels along `axis`, has a part in.

    As `resampling.resample_slabs`, which multiplies by whole matrices; those of linear interpolation to much fewer
    voxels are nearly empty, and most planes of the slab have no part in the result.
    """
    columns = interpolation_matrix(size[axis], result.shape[axis], 1)[:, planes]
    rows, used = np.flatnonzero(columns.any(axis=1)), np.flatnonzero(columns.any(axis=0))
    if not rows.size:
        return
    # Slabs come with x fastest in memory, which is the last axis of what they are turned to.
    part = _interpolated(columns[rows][:, used], np.take(slab.T, used, 2 - axis), 2 - axis)
    for other in sorted({0, 1, 2} - {axis}, reverse=True):
        part = _interpolated(interpolation_matrix(size[other], result.shape[other], 1), part, 2 - other)
    result[(slice(None),) * axis + (slice(rows[0], rows[-1] + 1),)] += part.T


def _interpolated(matrix: np.ndarray, array: np.ndarray, axis: int) -> np.ndarray:
    """The matrix, most of which is zero, applied along one axis; float32."""
    first = np.moveaxis(np.asarray(array, np.float32), axis, 0)
    values = csr_array(matrix) @ first.reshape(len(first), -1)
    return np.moveaxis(values.reshape(len(matrix), *first.shape[1:]), 0, axis)
