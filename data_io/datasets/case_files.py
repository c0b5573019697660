"""The volumes in a case's files; files that many cases share, slice by slice, are decoded once for all of them."""

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from pneumoseg.data_io.formats import reading
from pneumoseg.data_io.formats.content_hash import sha256_of
from pneumoseg.data_io.formats.label_names import Names
from pneumoseg.data_io.formats.nifti_placement import GridForm
from pneumoseg.data_io.formats.nrrd_metaimage import voxel_files
from pneumoseg.data_io.formats.reading import RELABEL
from pneumoseg.data_io.volumes.labels import LabelTable
from pneumoseg.data_io.volumes.volume import Volume, on_grid_of

KEPT = 2
"""Volumes whose decoded images, and masks, a process keeps: that whose slices are read, and the one before, as sampling
at random may go to and fro."""


def read_channels(paths: tuple[Path, ...], grid: GridForm) -> Volume:
    """The images of one place as one: (x, y, z) for one grey image, else (x, y, z, channels), RAS+.

    Raises InputError as `reading.read_volume`, and where the files differ in shape or place.
    """
    first, *others = (reading.read_volume(path, grid=grid) for path in paths)
    if not others:
        return first
    turned = [
        on_grid_of(first, other, f"channels {paths[0]} and {path}").array
        for path, other in zip(paths[1:], others, strict=True)
    ]
    channels = [array.reshape(*first.grid.shape, -1) for array in (first.array, *turned)]
    return first.with_array(np.concatenate(channels, axis=3))


def read_channels_once(paths: tuple[Path, ...], grid: GridForm) -> Volume:
    """As `read_channels`, of the last files from memory unless they changed; the array is not to be written to. Its
    slices know the extremes of the whole."""
    return _channels(paths, grid, tuple(map(_state, paths)))


def read_labels_once(
    path: Path,
    labels: int | LabelTable,
    *,
    label_names: Names,
    grid: GridForm,
    merge: tuple[tuple[int, int], ...],
    remedy: str = RELABEL,
) -> Volume:
    """As `reading.read_labels`, of the last files from memory unless they changed; not to be written to."""
    return _labels(path, labels, label_names, grid, merge, remedy, _state(path))


def mask_values_once(path: Path) -> tuple[float, ...]:
    """As `reading.mask_values`, from memory unless the file changed."""
    return _mask_values(path, _state(path))


def sha256_once(path: Path) -> str:
    """As `sha256_of`, from memory unless the file changed."""
    return _sha256(path, _state(path))


@lru_cache(KEPT)
def _channels(paths: tuple[Path, ...], grid: GridForm, state: object) -> Volume:
    volume = _read_only(read_channels(paths, grid))
    return replace(volume, extremes_of_whole=(float(volume.array.min()), float(volume.array.max())))


@lru_cache(2 * KEPT)  # beside the mask, which voxels count
def _labels(
    path: Path,
    labels: int | LabelTable,
    label_names: Names,
    grid: GridForm,
    merge: tuple[tuple[int, int], ...],
    remedy: str,
    state: object,
) -> Volume:
    volume = reading.read_labels(path, labels, label_names=label_names, grid=grid, merge=merge, remedy=remedy)
    return _read_only(volume)


@lru_cache(256)
def _mask_values(path: Path, state: object) -> tuple[float, ...]:
    return reading.mask_values(path)


@lru_cache(256)
def _sha256(path: Path, state: object) -> str:
    return sha256_of(path)


def _read_only(volume: Volume) -> Volume:
    volume.array.flags.writeable = False
    return volume


def _state(path: Path) -> tuple[tuple[str, int, int], ...]:
    """What changes when a file does: size and time of each part; nothing of a file that is not there."""
    parts: Sequence[Path] = sorted(path.iterdir()) if path.is_dir() else [path, *voxel_files(path)]
    found = [(part.name, part.stat()) for part in parts if part.is_file()]
    return tuple((name, stat.st_size, stat.st_mtime_ns) for name, stat in found)
