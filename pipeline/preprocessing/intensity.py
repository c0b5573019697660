"""From the values of an image, HU or those of a picture, to 0..1, and to the channels that a network sees."""

from collections.abc import Sequence

import numpy as np

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.volumes.grid_limits import FEW_SLICES
from pneumoseg.data_io.volumes.hounsfield import AIR_HU, is_hu
from pneumoseg.pipeline.settings.field_types import Window
from pneumoseg.pipeline.settings.schema import PreprocessingSettings, Settings

PICTURE: Window = (0.0, 255.0)
FLAT_SD = 1.0
"""By which a flat image is divided in place of 0; values of 0..1 have a standard deviation of 0.5 at most."""

LUMA = (0.299, 0.587, 0.114)
"""Shares of red, green and blue in a grey value (ITU-R BT.601)."""


def windows(settings: PreprocessingSettings) -> tuple[Window, ...]:
    """The windows, each of which makes a channel of each channel of the image: in HU, or all that a picture holds."""
    return (PICTURE,) if settings.values == "picture" else (settings.window_hu, *settings.further_windows_hu)


def image_channels(slab: np.ndarray, count: int, *, colours: bool) -> list[np.ndarray]:
    """The `count` channels (x, y, z) of an image's slab (x, y, z[, channels]).

    `colours`: the values are grey or colours of 0..255; colours become grey where one channel is needed, grey is
    repeated where several are. Raises InputError for other numbers of channels; those in HU are never made of others.
    """
    given = [slab[..., channel] for channel in range(slab.shape[3])] if slab.ndim == 4 else [slab]
    if len(given) == count:
        return given
    if colours and len(given) == 1:
        return given * count
    if colours and count == 1 and len(given) == len(LUMA):
        return [np.tensordot(slab.astype(np.float32), np.array(LUMA, np.float32), axes=1)]
    raise InputError(
        f"the image has {len(given)} channels, preprocessing.channels says {count}; change the setting, or give as "
        "many channels (CASE_0000, CASE_0001 and so on)"
    )


def air_values(settings: PreprocessingSettings) -> tuple[float, ...]:
    """What lies outside an image, in each channel, on the scale where its window is 0..1: -1000 HU, or black."""
    outside = PICTURE[0] if settings.values == "picture" else AIR_HU
    return tuple(to_unit(outside, window) for window in windows(settings)) * settings.channels


def to_unit(value: float, window: Window) -> float:
    """A value on the scale where `window` is 0..1."""
    low, high = window
    return min(1.0, max(0.0, (value - low) / (high - low)))


def to_unit_range(array: np.ndarray, window: Window, source: Window | None = None) -> np.ndarray:
    """Values clipped to `window` and scaled so that it becomes 0..1, float32; `source`: they are 0..255, the grey
    values of that window."""
    array = array.astype(np.float32)
    if source is not None:
        low, high = source
        array *= (high - low) / 255.0
        array += low
    low, high = window
    array -= low
    array /= high - low
    return np.clip(array, 0.0, 1.0, out=array)


def warnings_of_unusual_ct(
    windowed: bool, extremes: tuple[float, float], *, slices: int, settings: Settings
) -> list[str]:
    """Warnings of a volume that is not in HU, with how its values are read, and of one of few slices. Pictures have
    neither."""
    how, warnings = settings.preprocessing, []
    if slices < FEW_SLICES and settings.dimensions == 3:
        warnings.append(f"few slices ({slices})")
    if how.values == "picture":
        return warnings
    if windowed:
        low, high = how.windowed_source_hu
        warnings.append(f"values lie in 0..255, not HU; read as the window {low:g}..{high:g} HU")
    elif not is_hu(*extremes):
        low, high = extremes
        warnings.append(f"values lie in {low:g}..{high:g}, without air as HU have it; read as HU all the same")
    return warnings


def normalised(image: np.ndarray, means: Sequence[float], sds: Sequence[float]) -> np.ndarray:
    """The z-score of (..., channels) by a mean and a standard deviation for each channel, in a new float32 array. Those
    of neighbouring slices follow one another, and are normalised alike."""
    slices = image.shape[-1] // len(means)
    result = image.astype(np.float32, order="C")
    result -= np.tile(np.array(means, np.float32), slices)
    result /= np.tile(np.array(sds, np.float32), slices)
    return result


def mean_and_sd(array: np.ndarray) -> tuple[float, float]:
    """In double precision, slice by slice: no copy of the whole. A flat image has the standard deviation FLAT_SD."""
    mean = float(np.mean([part.mean(dtype=np.float64) for part in array]))
    sd = float(np.sqrt(np.mean([np.square(np.subtract(part, mean, dtype=np.float64)).mean() for part in array])))
    return mean, sd if sd > 1e-6 else FLAT_SD
