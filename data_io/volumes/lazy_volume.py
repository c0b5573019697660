"""A CT on disk that is read slab by slab, so that the whole of it never needs to be in memory."""

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
    """An opened CT: where it lies, and its voxels in slabs.

    `source`: the grid as the file stores it. `read_stored`: starts reading anew and yields the voxels (HU) in the
    file's order, (x', y', n) at a time along the last stored axis; together they fill `source.shape`, in one data type.
    It raises InputError where the file turns out to be damaged or holds NaN or infinite values.
    """

    source: Grid
    read_stored: Callable[[], Iterator[np.ndarray]]

    @classmethod
    def from_volume(cls, volume: Volume) -> "Scan":
        """A scan of what is in memory already."""
        stored = volume.restore()
        thickness = slab_thickness(stored.shape, stored.dtype.itemsize)
        return cls(
            volume.source,
            lambda: (stored[:, :, start : start + thickness] for start in range(0, stored.shape[2], thickness)),
        )

    @property
    def grid(self) -> Grid:
        """The grid with axes permuted and flipped to the nearest RAS+, the one that `slabs` speaks of."""
        return self.source.canonical()

    @property
    def axis(self) -> int:
        """The axis of `grid` along which slabs follow one another: where the file's last axis lies."""
        return int(nib.io_orientation(self.source.affine)[2, 0])

    def slabs(self) -> Iterator[tuple[tuple[slice, ...], np.ndarray]]:
        """Yields (place, array): RAS+ voxels and the part of `grid` that they fill; places may descend along `axis`.

        Raises InputError where `read_stored` yields too few planes or too many.
        """
        orientation = nib.io_orientation(self.source.affine)
        size = self.source.shape[2]
        done = 0
        for stored in self.read_stored():
            count = stored.shape[2]
            start = done if orientation[2, 1] > 0 else size - done - count
            place = (*(slice(None) for _ in range(self.axis)), slice(start, start + count))
            yield place, nib.orientations.apply_orientation(stored, orientation)
            done += count
        if done != size:
            raise InputError(
                f"a scan must yield the {size} planes of its source grid {self.source.shape}, found {done}; copy the "
                "file again, or fix its reader"
            )

    def read(self) -> Volume:
        """The whole volume in memory."""
        array = None
        for place, slab in self.slabs():
            if array is None:
                array = np.empty(self.grid.shape, slab.dtype, order="F")
            array[place] = slab
        if array is None:
            raise ValueError("a scan yields one slab or more, found none")
        return Volume(array, self.grid, self.source)


def slab_thickness(shape: tuple[int, ...], itemsize: int) -> int:
    """How many planes of the last axis make a slab of about 16 MiB, at least one."""
    return max(1, SLAB_BYTES // (shape[0] * shape[1] * itemsize))


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
