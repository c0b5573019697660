"""DICOM segmentations as masks: class numbers are the numbers of the segments."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from pydicom import dcmread
from pydicom.dataset import Dataset

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.dicom.ct import SAME_PLACE_MM, UNEVEN_MM, UNEVEN_SHARE
from pneumoseg.data_io.formats.dicom.header import lenient
from pneumoseg.data_io.formats.dicom.references import OfSeries
from pneumoseg.data_io.formats.dicom.segmentation_frames import (
    LARGE_VALUE_BYTES,
    Frame,
    frames_of,
    functional,
    segments_of,
)
from pneumoseg.data_io.formats.label_names import Names
from pneumoseg.data_io.volumes.grid_limits import check_ct_grid
from pneumoseg.data_io.volumes.volume import Grid, Volume

SAME_DIRECTION = 1e-4
MOST_PIXELS_ASIDE = 0.5
"""So far a frame may lie beside the line through the others."""
LARGEST_NUMBER = np.iinfo(np.uint8).max


def read_segmentation(path: str | Path) -> Volume:
    """Reads a BINARY or LABELMAP segmentation: uint8 numbers of segments, from its first frame to its last; what no
    frame covers is 0. Its affine is that of the frames, stored axes (column, row, slice); its
    placement is the series that it is of.

    Raises InputError for fractional segmentations, segments that overlap, numbers of segments above 255, and frames
    that differ in orientation or do not lie at even steps on one line.
    """
    path = Path(path)
    with lenient():
        header = dcmread(path, defer_size=LARGE_VALUE_BYTES)
        frames = list(frames_of(path, header))
    if not frames:
        raise InputError(f"{path}: a mask has one frame or more, found none; export it again")
    axes = frames[0].affine[:, :2]
    if any(not np.allclose(frame.affine[:, :2], axes, atol=SAME_DIRECTION) for frame in frames):
        raise InputError(f"{path}: the frames of a mask have one orientation and spacing; export it as one volume")
    normal = np.cross(axes[:, 0], axes[:, 1])
    heights_mm = np.array([frame.affine[:, 2] @ normal for frame in frames]) / np.linalg.norm(normal)
    places, step_mm = _places(heights_mm, header, path)
    affine = np.eye(4)
    lowest, highest = int(heights_mm.argmin()), int(heights_mm.argmax())
    affine[:3, :2], affine[:3, 3] = axes, frames[lowest].affine[:, 2]
    across = (frames[highest].affine[:, 2] - frames[lowest].affine[:, 2]) / max(1, places.max())
    affine[:3, 2] = across if places.max() else step_mm * normal / np.linalg.norm(normal)
    shape = (int(header.Columns), int(header.Rows), int(places.max()) + 1)
    check_ct_grid(Grid(shape, affine))
    _check_line(frames, places, affine, path)
    array = np.zeros(shape, np.uint8)
    for place, frame in zip(places, frames, strict=True):
        _add(array[:, :, place], frame, path)
    of = header.get("ReferencedSeriesSequence") or [Dataset()]
    volume = Volume.from_source(array, affine)
    placed = Grid(volume.stored_grid.shape, affine, OfSeries(str(of[0].get("SeriesInstanceUID", ""))))
    return Volume(volume.array, volume.grid, placed)


def names_of_segmentation(path: str | Path) -> Names:
    """The labels of the segments, with their numbers."""
    with lenient():
        header = dcmread(path, specific_tags=["SegmentSequence"])
    return tuple((str(one.SegmentLabel), (int(one.SegmentNumber),)) for one in segments_of(header))


def _places(heights_mm: np.ndarray, header: Dataset, path: Path) -> tuple[np.ndarray, float]:
    """Which slice each frame is, counted from the lowest, and the mm between slices."""
    order = np.argsort(heights_mm)
    steps = np.diff(heights_mm[order])
    apart = steps >= SAME_PLACE_MM
    if not apart.any():
        return np.zeros(heights_mm.size, int), _thickness_mm(header)
    usual = float(np.median(steps[apart & (steps < 1.5 * steps[apart].min())]))
    counts = np.where(apart, np.rint(steps / usual), 0)
    # Across slices without a frame, the allowed unevenness of several steps adds up, as chance does.
    allowed_mm = max(UNEVEN_MM, UNEVEN_SHARE * usual) * np.sqrt(np.maximum(counts, 1))
    if (np.abs(steps - counts * usual)[apart] > allowed_mm[apart]).any():
        raise InputError(
            f"{path}: the frames of a mask lie at even steps, found {np.unique(steps[apart].round(2)).tolist()[:10]} mm"
        )
    places = np.zeros(heights_mm.size, int)
    places[order[1:]] = np.cumsum(counts)
    return places, usual


def _thickness_mm(header: Dataset) -> float:
    groups = (header.PerFrameFunctionalGroupsSequence[0], header.SharedFunctionalGroupsSequence[0])
    return float(functional(*groups, "PixelMeasuresSequence").get("SliceThickness") or 1.0)


def _check_line(frames: Sequence[Frame], places: np.ndarray, affine: np.ndarray, path: Path) -> None:
    """Raises InputError where a frame lies beside the place that the grid gives it."""
    origins = np.stack([frame.affine[:, 2] for frame in frames], axis=1)
    expected = affine[:3, 3:] + affine[:3, 2:3] * places
    aside = np.abs(np.linalg.solve(affine[:3, :3], origins - expected)[:2]).max()
    if aside > MOST_PIXELS_ASIDE:
        raise InputError(
            f"{path}: the frames of a mask lie on one line, found one {aside:.1f} pixels beside it; export it as one "
            "volume"
        )


def _add(plane: np.ndarray, frame: Frame, path: Path) -> None:
    """Puts a frame into its slice (columns, rows)."""
    if (largest := int(frame.voxels.max()) if frame.segment is None else frame.segment) > LARGEST_NUMBER:
        raise InputError(
            f"{path}: the numbers of segments are at most {LARGEST_NUMBER}, found {largest}; renumber them"
        )
    if frame.segment is None:
        plane[...] = frame.voxels
    elif plane[frame.voxels].any():
        raise InputError(f"{path}: segments overlap, a mask has one label a voxel; export them apart")
    else:
        plane[frame.voxels] = frame.segment
