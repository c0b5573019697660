"""DICOM segmentations as masks: class numbers are the numbers of the segments."""

from pathlib import Path

import numpy as np
from pydicom import dcmread
from pydicom.dataset import Dataset

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.dicom.header import lenient
from pneumoseg.data_io.formats.dicom.references import OfSeries
from pneumoseg.data_io.formats.dicom.segmentation_frames import LARGE_VALUE_BYTES, Frame, frames_of
from pneumoseg.data_io.formats.label_names import Names
from pneumoseg.data_io.volumes.volume import Grid, Volume

SAME_STEP = 0.01
"""Steps between frames may differ from a whole number of the smallest step by this share of it."""
SAME_DIRECTION = 1e-4


def read_segmentation(path: str | Path) -> Volume:
    """Reads a BINARY or LABELMAP segmentation: uint8 numbers of segments, from its first frame to its last; what no
    frame covers is 0. Its affine is that of the frames, stored axes (column, row, slice); its
    placement is the series that it is of.

    Raises InputError for fractional segmentations, segments that overlap, and frames that differ in orientation or do
    not lie at even steps.
    """
    path = Path(path)
    with lenient():
        header = dcmread(path, defer_size=LARGE_VALUE_BYTES)
        frames = list(frames_of(path, header))
    axes = frames[0].affine[:, :2]
    if any(not np.allclose(frame.affine[:, :2], axes, atol=SAME_DIRECTION) for frame in frames):
        raise InputError(f"{path}: the frames of a mask have one orientation and spacing; export it as one volume")
    normal = np.cross(axes[:, 0], axes[:, 1])
    heights_mm = np.array([frame.affine[:, 2] @ normal for frame in frames]) / np.linalg.norm(normal)
    places, step_mm = _places(heights_mm, header, path)
    array = np.zeros((header.Columns, header.Rows, int(places.max()) + 1), np.uint8)
    for place, frame in zip(places, frames, strict=True):
        _add(array[:, :, place], frame, path)
    affine = np.eye(4)
    lowest, highest = int(heights_mm.argmin()), int(heights_mm.argmax())
    affine[:3, :2], affine[:3, 3] = axes, frames[lowest].affine[:, 2]
    across = (frames[highest].affine[:, 2] - frames[lowest].affine[:, 2]) / max(1, places.max())
    affine[:3, 2] = across if places.max() else step_mm * normal / np.linalg.norm(normal)
    of = header.get("ReferencedSeriesSequence") or [Dataset()]
    volume = Volume.from_source(array, affine)
    placed = Grid(volume.stored_grid.shape, affine, OfSeries(str(of[0].get("SeriesInstanceUID", ""))))
    return Volume(volume.array, volume.grid, placed)


def names_of_segmentation(path: str | Path) -> Names:
    """The labels of the segments, with their numbers."""
    with lenient():
        header = dcmread(path, specific_tags=["SegmentSequence"])
    segments = [one for one in header.get("SegmentSequence", ()) if int(one.SegmentNumber) > 0]
    return tuple((str(one.SegmentLabel), (int(one.SegmentNumber),)) for one in segments)


def _places(heights_mm: np.ndarray, header: Dataset, path: Path) -> tuple[np.ndarray, float]:
    """Which slice each frame is, counted from the lowest, and the mm between slices."""
    thickness_mm = float(header.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].get("SliceThickness") or 1.0)
    steps = np.diff(np.unique(np.round(heights_mm, 3)))
    step_mm = float(steps.min()) if steps.size else thickness_mm
    exact = (heights_mm - heights_mm.min()) / step_mm
    places = np.rint(exact).astype(int)
    if np.abs(exact - places).max() > SAME_STEP * max(1, places.max()):
        raise InputError(
            f"{path}: the frames of a mask lie at even steps, found {np.unique(steps.round(2)).tolist()} mm"
        )
    return places, step_mm


def _add(plane: np.ndarray, frame: Frame, path: Path) -> None:
    """Puts a frame into its slice (columns, rows)."""
    if frame.segment is None:
        plane[...] = frame.voxels
    elif plane[frame.voxels].any():
        raise InputError(f"{path}: segments overlap, a mask has one label a voxel; export them apart")
    else:
        plane[frame.voxels] = frame.segment
