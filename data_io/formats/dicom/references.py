"""Which series a DICOM segmentation says that it is of."""

from dataclasses import dataclass

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.dicom.series import Series
from pneumoseg.data_io.formats.dicom.uids import is_valid_uid
from pneumoseg.data_io.volumes.volume import Volume


@dataclass(frozen=True)
class OfSeries:
    """The placement of a segmentation's grid: the SeriesInstanceUID of the CT that it was made from, "" if unknown."""

    uid: str


def check_same_series(mask: Volume, image: Volume) -> None:
    """Raises InputError where the mask is a DICOM segmentation of another series than the image, which may lie in the
    same place all the same. Without the UIDs of both, of other formats, nothing is known; nor where the image's is invalid,
    as segmentations have another in its place."""
    of, series = mask.stored_grid.placement, image.stored_grid.placement
    if not (isinstance(of, OfSeries) and isinstance(series, Series) and of.uid and is_valid_uid(series.uid)):
        return
    if of.uid != series.uid:
        raise InputError(
            "the mask is a segmentation of another DICOM series than the CT, by its ReferencedSeriesSequence; give the "
            "CT that it was made from"
        )
