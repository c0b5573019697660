"""A CT that is read slab by slab, so that the whole of it never needs to be in memory."""

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.volumes.volume import Grid, Volume

SLAB_BYTES = 16 * 2**20


@dataclass(frozen=True, eq=False)
class Scan:
    """An opened CT: its place in space, and its voxels in slabs.

    `stored_grid`: the grid as the file stores it. `read_stored`: reads from the start and yields the voxels (HU) in the
    file's order, (x', y', n[, channels]) at a time along the third stored axis; they fill `stored_grid.shape`, in one
    data type and with as many channels each.
    It raises InputError where the file turns out to be damaged or holds NaN or infinite values. `volume`: the voxels in
    memory, or None where `read_stored` decodes a file.
    """

    stored_grid: Grid
    read_stored: Callable[[], Iterator[np.ndarray]]
    volume: Volume | None = None

    @classmethod
    def from_volume(cls, volume: Volume) -> "Scan":
        """A scan of what is in memory already."""
        stored = volume.restore()
        thickness = slab_thickness(stored.shape, stored.dtype.itemsize)
        return cls(
            volume.stored_grid,
            lambda: (stored[:, :, start : start + thickness] for start in range(0, stored.shape[2], thickness)),
            volume,
        )

    def held(self) -> "Scan":
        """The same scan in memory, decoded once into one array of its data type; its slabs are the same.

        Raises InputError as `slabs`.
        """
        if self.volume is not None:
            return self
        array, bounds = np.empty(0), [0]
        for start, slab in self._stored_slabs():
            if start == 0:
                array = np.empty((*self.stored_grid.shape, *slab.shape[3:]), slab.dtype, order="F")
            bounds.append(start + slab.shape[2])
            array[:, :, start : bounds[-1]] = slab
        volume = Volume.from_source(array, self.stored_grid.affine)
        return Scan(
            self.stored_grid, lambda: (array[:, :, start:stop] for start, stop in itertools.pairwise(bounds)), volume
        )

    @property
    def grid(self) -> Grid:
        """The grid with axes permuted and flipped to the nearest RAS+, that of `slabs`."""
        return self.stored_grid.canonical()

    @property
    def axis(self) -> int:
        """The axis of `grid` along which slabs follow one another: where the file's third axis lies."""
        return int(nib.io_orientation(self.stored_grid.affine)[2, 0])

    def slabs(self) -> Iterator[tuple[tuple[slice, ...], np.ndarray]]:
        """Yields (place, array): RAS+ voxels and the part of `grid` that they fill; places may descend along `axis`.

        Raises InputError where `read_stored` yields too few planes or too many.
        """
        orientation = nib.io_orientation(self.stored_grid.affine)
        for stored_start, stored in self._stored_slabs():
            count = stored.shape[2]
            start = stored_start if orientation[2, 1] > 0 else self.stored_grid.shape[2] - stored_start - count
            place = (*(slice(None) for _ in range(self.axis)), slice(start, start + count))
            yield place, nib.orientations.apply_orientation(stored, orientation)

    def _stored_slabs(self) -> Iterator[tuple[int, np.ndarray]]:
        """The slabs of `read_stored`, each with its first plane; InputError for too few planes or too many."""
        size, done = self.stored_grid.shape[2], 0
        for stored in self.read_stored():
            start, done = done, done + stored.shape[2]
            if done > size:
                break
            yield start, stored
        if done != size:
            raise InputError(
                f"a scan must yield the {size} planes of its source grid {self.stored_grid.shape}, "
                f"found {done}; copy the "
                "file again, or fix its reader"
            )

    def read(self) -> Volume:
        """The whole volume in memory; not a copy where it is there already."""
        if self.volume is not None:
            return self.volume
        array = None
        for place, slab in self.slabs():
            if array is None:
                array = np.empty((*self.grid.shape, *slab.shape[3:]), slab.dtype, order="F")
            array[place] = slab
        if array is None:
            raise ValueError("a scan yields one slab or more, found none")
        return Volume(array, self.grid, self.stored_grid)


def slab_thickness(shape: tuple[int, ...], itemsize: int) -> int:
    """How many planes of the third axis make a slab of about 16 MiB, at least one; `shape` (x, y[, z[, channels]])."""
    return max(1, SLAB_BYTES // (math.prod((*shape[:2], *shape[3:])) * itemsize))


def three_axes(shape: tuple[int, ...], path: Path) -> tuple[int, int, int]:
    """A file's shape without single axes beyond the third. Raises InputError where it is not that of a volume."""
    kept = shape
    while len(kept) > 3 and kept[-1] == 1:
        kept = kept[:-1]
    if len(kept) != 3 or min(kept) < 1:
        raise InputError(f"{path}: a CT volume has 3 axes, found shape {shape}; give one volume per file")
    return kept


def checked(array: np.ndarray, path: Path) -> np.ndarray:
    """Voxels as a file's reader hands them on: integers as they are, floats as float32.

    Raises InputError where one is NaN or infinite, or beyond what float32 holds.
    """
    if array.dtype.kind != "f":
        return array
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite and is refused
        array = array.astype(np.float32, copy=False)
    wrong = array.size - np.count_nonzero(np.isfinite(array))
    if wrong:
        raise InputError(f"{path}: voxels must be finite numbers, found {wrong} NaN or infinite; replace them first")
    return array
