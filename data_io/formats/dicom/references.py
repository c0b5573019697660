"""Which series a DICOM segmentation says that it is of, and the slices of it."""

from dataclasses import dataclass
from itertools import product

import numpy as np

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.dicom.series import Series
from pneumoseg.data_io.formats.dicom.uids import is_valid_uid
from pneumoseg.data_io.volumes.volume import SAME_PLACE_VOXELS, Volume


@dataclass(frozen=True)
class OfSeries:
    """The placement of a segmentation's grid: the SeriesInstanceUID of the CT that it was made from, "" if unknown."""

    uid: str


def on_series(mask: Volume, image: Volume) -> Volume:
    """A DICOM segmentation with all slices of the image: those without a frame, which other programs leave out, are
    empty. Other masks, and those that do not lie on slices of the image, as they are.

    Raises InputError where the mask is a segmentation of another series than the image, which may lie in the same place
    all the same. Without the UIDs of both nothing is known; nor where the image's is invalid, as segmentations have
    another in its place.
    """
    of, series = mask.stored_grid.placement, image.stored_grid.placement
    if not isinstance(of, OfSeries):
        return mask
    if isinstance(series, Series) and of.uid and is_valid_uid(series.uid) and of.uid != series.uid:
        raise InputError(
            "the mask is a segmentation of another DICOM series than the CT, by its ReferencedSeriesSequence; give the "
            "CT that it was made from"
        )
    shape, whole = mask.stored_grid.shape, image.stored_grid.shape
    placed = np.linalg.solve(image.stored_grid.affine, mask.stored_grid.affine)
    first = round(placed[2, 3])
    corners = np.array(list(product(*((0, size - 1) for size in shape))))
    apart = np.abs(corners @ placed[:3, :3].T + placed[:3, 3] - (corners + np.array([0, 0, first]))).max()
    inside = shape[:2] == whole[:2] and 0 <= first <= whole[2] - shape[2]
    if shape == whole or not inside or apart > SAME_PLACE_VOXELS:
        return mask
    array = np.zeros(whole, mask.array.dtype)
    array[:, :, first : first + shape[2]] = mask.restore()
    return Volume.from_source(array, image.stored_grid.affine)
