"""From a CT volume or a picture to what the network sees.

A custom step is a function from (array in 0..1, float32, (x, y, z); spacing_mm) to such an array, named
"module:function" in `preprocessing.steps`:

    def equalise(array, spacing_mm):
        return skimage.exposure.equalize_adapthist(array).astype("float32")
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.volumes.grid_limits import check_ct_grid
from pneumoseg.data_io.volumes.hounsfield import UNIT_VALUES, is_hu, is_unit, is_windowed
from pneumoseg.data_io.volumes.lazy_volume import Scan
from pneumoseg.data_io.volumes.volume import Grid, Volume
from pneumoseg.pipeline.preprocessing import resampling
from pneumoseg.pipeline.preprocessing.clahe import equalise_slices
from pneumoseg.pipeline.preprocessing.intensity import air_values, image_channels, mean_and_sd, to_unit_range, windows
from pneumoseg.pipeline.runtime import hardware
from pneumoseg.pipeline.settings import plugins
from pneumoseg.pipeline.settings.schema import PreprocessingSettings

BYTES_PER_VOXEL = 4
"""Of a volume on its own grid: its HU and its mask."""

BYTES_PER_NETWORK_VOXEL = 8
"""Of a volume on the network's grid, for each channel: the image in float32, and as much while it is made."""


@dataclass(frozen=True, eq=False)
class PreparedVolume:
    """A volume on the network's grid.

    `image`: float32 (x, y, z, channels) in 0..1, the window's ends. `labels`: uint8 (x, y, z), or None. `mean` and
    `sd`: of each channel, for normalisation after spatial augmentation (so that borders are air in every case).
    `windowed`: whether the source was not in HU but already windowed to 0..255. `air`: of each channel, -1000 HU on the
    window's scale, or black, which patches see outside the volume, also of an equalised one. `extremes`: the
    smallest and largest value of the source, or of the volume that it is a slice of.
    """

    image: np.ndarray
    labels: np.ndarray | None
    grid: Grid
    mean: tuple[float, ...]
    sd: tuple[float, ...]
    windowed: bool
    air: tuple[float, ...]
    extremes: tuple[float, float]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Voxels along x, y, z."""
        return self.grid.shape

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
        """Prepares a CT (HU, or 0..255) or picture and its mask. How the values of a slice are read is decided by the
        whole that it is of.

        A Scan is read slab by slab, each slab once, and never is in memory as a whole on its own grid, unless custom
        `steps` need it or the network's grid is that of the scan. Raises InputError for such a step that does not
        exist, changes the shape or gives values that are not finite, for an image of other channels than the settings
        say, and as `grid` does, before any voxel is read.
        """
        how = self.settings
        scan = image if isinstance(image, Scan) else Scan.from_volume(image)
        grid = self.grid(scan.grid)
        whole = scan.volume.extremes_of_whole if scan.volume is not None else None
        decided = None if whole is None or how.values == "picture" else is_windowed(*whole)
        array, extremes, windowed = self._resampled(scan, grid.shape, windowed=decided)
        extremes = whole or extremes
        np.clip(array, 0.0, 1.0, out=array)
        if how.values == "hu" and is_unit(*extremes):
            raise InputError(UNIT_VALUES.format(*extremes))
        if how.values == "picture" and not is_windowed(*extremes):
            low, high = extremes
            raise InputError(
                f"the settings are for pictures, whose values lie in 0..255, found {low:g}..{high:g}; use a model for "
                "CT volumes, or train with preprocessing.values hu"
            )
        if how.equalise == "always" or (how.equalise == "hu" and not windowed):
            for channel in range(array.shape[3]):
                array[..., channel] = equalise_slices(array[..., channel])
        labels = None
        if mask is not None:
            thinned = mask.array[tuple(slice(None, None, step) for step in self._every)]
            labels = resampling.resample_labels(thinned, grid.shape)
        mean, sd = self._statistics(array)
        return PreparedVolume(
            array,
            labels,
            grid,
            mean=mean,
            sd=sd,
            windowed=windowed,
            air=air_values(how),
            extremes=extremes,
        )

    @property
    def _every(self) -> tuple[int, int, int]:
        """Along x, y, z, every so manieth voxel is read."""
        x, y, z = (self.settings.every if size else 1 for size in self.settings.size or (None, None, None))
        return x, y, z

    def _statistics(self, array: np.ndarray) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Mean and standard deviation that each channel is normalised by."""
        how, count = self.settings, array.shape[3]
        if how.normalisation == "none":
            return (0.0,) * count, (1.0,) * count
        pairs = how.statistics or [mean_and_sd(array[..., channel]) for channel in range(count)]
        if len(pairs) != count:
            raise InputError(f"preprocessing.statistics are one pair for each of {count} channels, found {len(pairs)}")
        means, sds = zip(*pairs, strict=True)
        return means, sds

    def _resampled(
        self, scan: Scan, shape: tuple[int, int, int], *, windowed: bool | None = None
    ) -> tuple[np.ndarray, tuple[float, float], bool]:
        """The scan in 0..1 on `shape` voxels, float32 (x, y, z, channels); its smallest and largest value; whether it
        is windowed, 0..255.

        Where `windowed` is None, the first slab decides: in HU it holds air. Where a later slab contradicts that, the
        scan is read again.
        """
        how, axis, order = self.settings, scan.axis, self.settings.image_order
        size = _thinned_shape(scan.grid.shape, self._every)
        channels = how.channels * len(windows(how))
        array = np.zeros((*(size if how.steps else shape), channels), np.float32)
        minima, maxima = [], []
        for planes, slab in _thinned(scan, self._every):
            minima.append(float(slab.min()))
            maxima.append(float(slab.max()))
            slab_is_windowed = how.values == "hu" and is_windowed(minima[-1], maxima[-1])
            windowed = slab_is_windowed if windowed is None else windowed
            if windowed and not slab_is_windowed:
                return self._resampled(scan, shape, windowed=False)
            for channel, unit in enumerate(self._unit_channels(slab, windowed)):
                if how.steps:
                    array[(slice(None),) * axis + (planes,) + (slice(None),) * (2 - axis) + (channel,)] = unit
                else:
                    new, part = resampling.slab_share(unit, planes, size=size, shape=shape, axis=axis, order=order)
                    array[(slice(None),) * axis + (new,) + (slice(None),) * (2 - axis) + (channel,)] += part
        if how.steps:
            whole = (slice(None),) * axis + (slice(0, size[axis]),)
            stepped = [self._custom_steps(array[..., channel], scan.grid) for channel in range(channels)]
            array = np.stack(
                [resampling.resample_slabs([(whole, one)], size, shape, axis=axis, order=order) for one in stepped],
                axis=3,
            )
        return array, (min(minima), max(maxima)), bool(windowed)

    def _unit_channels(self, slab: np.ndarray, windowed: bool) -> Iterator[np.ndarray]:
        """The channels of a slab (x, y, z[, channels]) in 0..1: each channel of the image by each window."""
        how = self.settings
        for channel in image_channels(slab, how.channels, colours=windowed or how.values == "picture"):
            for window in windows(how):
                yield to_unit_range(channel, window, how.windowed_source_hu if windowed else None)

    def _custom_steps(self, array: np.ndarray, grid: Grid) -> np.ndarray:
        for name in self.settings.steps:
            result = plugins.find(name, {}, "preprocessing step")(array, grid.spacing_mm)
            array = _checked(np.asarray(result), name, array.shape)
        return array

    def grid(self, grid: Grid) -> Grid:
        """The network's grid for a volume on `grid`.

        Raises InputError where either is a grid that no CT has, or the memory would not suffice for both.
        """
        check_ct_grid(grid)
        spacing_mm, size = self.settings.spacing_mm, self.settings.size
        if size is not None:
            x, y, z = (new or old for new, old in zip(size, grid.shape, strict=True))
            resampled = resampling.resized_grid(grid, (x, y, z))
        else:
            resampled = grid if spacing_mm is None else resampling.resampled_grid(grid, spacing_mm)
            try:
                check_ct_grid(resampled)
            except InputError as error:
                message = f"at the network's spacing, preprocessing.spacing_mm: {error}"
                raise InputError(message, options=error.options) from error
        _require_memory(grid, resampled, self.settings.channels * len(windows(self.settings)))
        return resampled


def _thinned_shape(shape: tuple[int, int, int], every: tuple[int, int, int]) -> tuple[int, int, int]:
    x, y, z = (-(-size // step) for size, step in zip(shape, every, strict=True))
    return x, y, z


def _thinned(scan: Scan, every: tuple[int, int, int]) -> Iterator[tuple[slice, np.ndarray]]:
    """Slabs of every so manieth voxel along each axis, and their planes along the scan's axis."""
    axis = scan.axis
    for place, slab in scan.slabs():
        first = -place[axis].start % every[axis]
        steps = [slice(None, None, step) for step in every]
        steps[axis] = slice(first, None, every[axis])
        part = slab[tuple(steps)]
        if part.shape[axis]:
            start = (place[axis].start + first) // every[axis]
            yield slice(start, start + part.shape[axis]), part


def _require_memory(grid: Grid, network_grid: Grid, channels: int) -> None:
    on_network_grid = math.prod(network_grid.shape) * BYTES_PER_NETWORK_VOXEL * channels
    bytes_needed = math.prod(grid.shape) * BYTES_PER_VOXEL + on_network_grid
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
