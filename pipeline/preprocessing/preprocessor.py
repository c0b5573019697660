"""From a CT volume to what the network sees, and from its probabilities back to the scanner's grid.

A custom step is a function from (array in 0..1, float32, (x, y, z); spacing_mm) to such an array, named
"module:function" in `preprocessing.steps`:

    def equalise(array, spacing_mm):
        return skimage.exposure.equalize_adapthist(array).astype("float32")
"""

import math
from dataclasses import dataclass

import numpy as np

from pneumoseg.data_io.console import log
from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.volumes.grid_limits import FEW_SLICES, check_ct_grid
from pneumoseg.data_io.volumes.hounsfield import AIR_HU, UNIT_VALUES, is_hu, is_unit, is_windowed
from pneumoseg.data_io.volumes.lazy_volume import Scan
from pneumoseg.data_io.volumes.volume import Grid, Volume
from pneumoseg.pipeline.preprocessing import resampling
from pneumoseg.pipeline.preprocessing.clahe import equalise_slices
from pneumoseg.pipeline.runtime import hardware
from pneumoseg.pipeline.settings import plugins
from pneumoseg.pipeline.settings.schema import PreprocessingSettings

BYTES_PER_VOXEL = 4
"""Of a volume on its own grid: its HU and its mask."""

BYTES_PER_NETWORK_VOXEL = 8
"""Of a volume on the network's grid: the image in float32, and as much while it is made."""


@dataclass(frozen=True, eq=False)
class PreparedVolume:
    """A volume on the network's grid.

    `image`: float32 (x, y, z) in 0..1, the window's ends. `labels`: uint8 of the same shape, or None. `mean` and `sd`:
    of the image, for normalisation after spatial augmentation (so that borders are air in every case). `windowed`:
    whether the source was not in HU but already windowed to 0..255. `air`: -1000 HU on the window's scale, which
    patches see outside the volume, also of an equalised one. `extremes`: the source's smallest and largest value.
    """

    image: np.ndarray
    labels: np.ndarray | None
    grid: Grid
    mean: float
    sd: float
    windowed: bool
    air: float
    extremes: tuple[float, float]

    @property
    def in_hu(self) -> bool:
        """Whether the source's values can be HU: they reach down to air."""
        return is_hu(*self.extremes)


@dataclass(frozen=True)
class Preprocessor:
    """The same steps for training and prediction: window, custom steps, resampling, equalisation, normalisation.

    Orientation is the reader's: volumes arrive as RAS+. Padding is the patches': they see air outside a volume.
    """

    settings: PreprocessingSettings

    def apply(self, image: Volume | Scan, mask: Volume | None = None) -> PreparedVolume:
        """Prepares a CT (HU, or 0..255) and its mask.

        A Scan is read slab by slab, each slab once, and never is in memory as a whole on its own grid, unless custom
        `steps` need it or the network's grid is that of the scan. Raises InputError for such a step that does not
        exist, changes the shape or gives values that are not finite, and as `grid` does, before any voxel is read.
        """
        scan = image if isinstance(image, Scan) else Scan.from_volume(image)
        grid = self.grid(scan.grid)
        array, extremes, windowed = self._resampled(scan, grid.shape)
        np.clip(array, 0.0, 1.0, out=array)
        if is_unit(*extremes):
            raise InputError(UNIT_VALUES.format(*extremes))
        if self.settings.equalise == "always" or (self.settings.equalise == "hu" and not windowed):
            array = equalise_slices(array)
        labels = None if mask is None else resampling.resample_labels(mask.array, grid.shape)
        mean, sd = _mean_and_sd(array) if self.settings.normalisation == "z-score" else (0.0, 1.0)
        return PreparedVolume(
            array,
            labels,
            grid,
            mean=mean,
            sd=sd,
            windowed=windowed,
            air=to_unit(AIR_HU, self.settings),
            extremes=extremes,
        )

    def _resampled(
        self, scan: Scan, shape: tuple[int, int, int], *, windowed: bool | None = None
    ) -> tuple[np.ndarray, tuple[float, float], bool]:
        """The scan in 0..1 on `shape` voxels, float32; its smallest and largest value; whether it is windowed, 0..255.

        Where `windowed` is None, the first slab decides: in HU it holds air. Where a later slab contradicts that, the
        scan is read again.
        """
        size, axis, order = scan.grid.shape, scan.axis, self.settings.image_order
        array = np.zeros(size if self.settings.steps else shape, np.float32)
        minima, maxima = [], []
        for place, slab in scan.slabs():
            minima.append(float(slab.min()))
            maxima.append(float(slab.max()))
            slab_is_windowed = is_windowed(minima[-1], maxima[-1])
            windowed = slab_is_windowed if windowed is None else windowed
            if windowed and not slab_is_windowed:
                return self._resampled(scan, shape, windowed=False)
            unit = to_unit_range(slab, self.settings, windowed)
            if self.settings.steps:
                array[place] = unit
            else:
                planes, part = resampling.slab_share(unit, place[axis], size=size, shape=shape, axis=axis, order=order)
                array[(slice(None),) * axis + (planes,)] += part
        if self.settings.steps:
            array = self._custom_steps(array, scan.grid)
            whole = (slice(None),) * axis + (slice(0, size[axis]),)
            array = resampling.resample_slabs([(whole, array)], size, shape, axis=axis, order=order)
        return array, (min(minima), max(maxima)), bool(windowed)

    def _custom_steps(self, array: np.ndarray, grid: Grid) -> np.ndarray:
        for name in self.settings.steps:
            result = plugins.find(name, {}, "preprocessing step")(array, grid.spacing_mm)
            array = _checked(np.asarray(result), name, grid.shape)
        return array

    def grid(self, grid: Grid) -> Grid:
        """The network's grid for a volume on `grid`.

        Raises InputError where either is a grid that no CT has, or the memory would not suffice for both.
        """
        check_ct_grid(grid)
        spacing_mm = self.settings.spacing_mm
        resampled = grid if spacing_mm is None else resampling.resampled_grid(grid, spacing_mm)
        try:
            check_ct_grid(resampled)
        except InputError as error:
            raise InputError(
                f"at the network's spacing, preprocessing.spacing_mm: {error}", options=error.options
            ) from error
        _require_memory(grid, resampled)
        return resampled


def _require_memory(grid: Grid, network_grid: Grid) -> None:
    bytes_needed = math.prod(grid.shape) * BYTES_PER_VOXEL + math.prod(network_grid.shape) * BYTES_PER_NETWORK_VOXEL
    spacings = [[round(size, 3) for size in one.spacing_mm] for one in (grid, network_grid)]
    hardware.require_memory(
        f"a volume of {list(grid.shape)} voxels of {spacings[0]} mm, at the network's spacing of {spacings[1]} mm,",
        bytes_needed / 1e9,
        remedy="correct the spacing in the header or crop the volume",
    )


def _checked(array: np.ndarray, name: str, shape: tuple[int, ...]) -> np.ndarray:
    """What the custom step `name` gave. Raises InputError for another shape, and for NaN or infinite values."""
    if array.shape != shape:
        raise InputError(
            f"preprocessing step {name}: keeps the shape {shape}, found {array.shape}; correct the function"
        )
    wrong = array.size - np.count_nonzero(np.isfinite(array))
    if wrong:
        raise InputError(
            f"preprocessing step {name}: gives finite values, found {wrong} NaN or infinite; correct the function"
        )
    return array


def to_unit(hu: float, settings: PreprocessingSettings) -> float:
    """A value in HU on the scale where `window_hu` is 0..1."""
    low, high = settings.window_hu
    return min(1.0, max(0.0, (hu - low) / (high - low)))


def to_unit_range(array: np.ndarray, settings: PreprocessingSettings, windowed: bool) -> np.ndarray:
    """HU, or windowed values 0..255, clipped to `window_hu` and scaled so that the window becomes 0..1, float32."""
    array = array.astype(np.float32)
    if windowed:
        low, high = settings.windowed_source_hu
        array *= (high - low) / 255.0
        array += low
    low, high = settings.window_hu
    array -= low
    array /= high - low
    return np.clip(array, 0.0, 1.0, out=array)


def warn_of_unusual_ct(
    name: str, windowed: bool, extremes: tuple[float, float], *, slices: int, settings: PreprocessingSettings
) -> None:
    """Warns of a volume that is not in HU, with how its values are read, and of one of few slices."""
    if slices < FEW_SLICES:
        log.warning("%s: few slices (%d)", name, slices)
    if windowed:
        low, high = settings.windowed_source_hu
        log.warning("%s: values lie in 0..255, not HU; read as the window %g..%g HU", name, low, high)
    elif not is_hu(*extremes):
        log.warning("%s: values lie in %g..%g, without air as HU have it; read as HU all the same", name, *extremes)


def _mean_and_sd(array: np.ndarray) -> tuple[float, float]:
    """In double precision, slice by slice: no copy of the whole. A flat image has the standard deviation 1."""
    mean = float(np.mean([part.mean(dtype=np.float64) for part in array]))
    sd = float(np.sqrt(np.mean([np.square(np.subtract(part, mean, dtype=np.float64)).mean() for part in array])))
    return mean, sd if sd > 1e-6 else 1.0
