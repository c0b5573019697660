"""One slice of a volume, as a volume of its own."""

import nibabel as nib
import numpy as np

from pneumoseg.data_io.volumes.volume import Grid, Volume


def single_slice(volume: Volume, axis: int, index: int) -> Volume:
    """The slice `index` across `axis` (0..2 of RAS+) in its place: a copy, with one voxel along the axis.

    The grids follow, so that `restore` gives the slice as the file orders it; the header of the whole file is no longer
    theirs. Raises IndexError where the volume has no such slice.
    """
    if not 0 <= index < volume.grid.shape[axis]:
        raise IndexError(f"slice {index} of {volume.grid.shape[axis]}")
    stored_axis, stored_index = _in_file(volume, axis, index)
    # A copy of this part alone: a view would keep the whole volume in memory, and np.take would copy all of it first.
    array = volume.array[(slice(None),) * axis + (slice(index, index + 1),)].copy()
    return Volume(
        array,
        slice_grid(volume.grid, axis, index),
        slice_grid(volume.stored_grid, stored_axis, stored_index),
        volume.extremes_of_whole,
    )


def facing(volume: Volume) -> Volume:
    """A slice across x or y with that axis last, as what shows axial slices takes it; any other volume itself.

    The axes of its grid follow: of a coronal slice they are x, z, y.
    """
    shape = volume.grid.shape
    if 1 not in shape or shape[2] == 1:
        return volume
    across = shape.index(1)
    order = [*(axis for axis in range(3) if axis != across), across]
    x, y, z = (shape[axis] for axis in order)
    grid = Grid((x, y, z), volume.grid.affine[:, [*order, 3]])
    return Volume(np.moveaxis(volume.array, across, 2), grid, grid, volume.extremes_of_whole)


def slice_grid(grid: Grid, axis: int, index: int) -> Grid:
    """The grid of the slice `index` across `axis` of a grid."""
    move = np.eye(4)
    move[axis, 3] = index
    x, y, z = (1 if along == axis else size for along, size in enumerate(grid.shape))
    return Grid((x, y, z), grid.affine @ move)


def _in_file(volume: Volume, axis: int, index: int) -> tuple[int, int]:
    """The file's axis, and the slice along it."""
    orientation = nib.io_orientation(volume.stored_grid.affine)
    stored_axis = int(np.flatnonzero(orientation[:, 0] == axis)[0])
    return stored_axis, index if orientation[stored_axis, 1] > 0 else volume.grid.shape[axis] - 1 - index
