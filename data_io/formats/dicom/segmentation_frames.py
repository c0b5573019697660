"""Frames of DICOM segmentations (PS3.3 A.51, C.8.20), each with its place in the patient."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset
from pydicom.pixels import iter_pixels

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.volumes.volume import LPS_TO_RAS

LARGE_VALUE_BYTES = 2**16
"""Of a header's values that are read only when they are asked for."""


@dataclass(frozen=True, eq=False)
class Frame:
    """One frame as a file gives it.

    `segment`: the number of the segment that its voxels are of, None in a label map; `of`: the UID of its slice;
    `affine` (3, 3): the steps between columns and between rows, and the first pixel, each in RAS+ mm; `voxels`
    (columns, rows): truth values, or class numbers.
    """

    segment: int | None
    of: str
    affine: np.ndarray
    voxels: np.ndarray


def segments_of(header: Dataset) -> list[Dataset]:
    """The descriptions of the segments; the background that a label map describes too left out."""
    return [one for one in header.get("SegmentSequence", ()) if int(one.SegmentNumber) > 0]


def frames_of(path: str | Path, header: Dataset) -> Iterator[Frame]:
    """The frames of a DICOM segmentation, one at a time. Raises InputError for fractional ones, and where PixelData is
    too short."""
    shared = header.SharedFunctionalGroupsSequence[0]
    kind = header.SegmentationType
    if kind not in ("BINARY", "LABELMAP"):
        raise InputError(
            f"{path}: a mask is a BINARY or LABELMAP segmentation, found {kind}; export it as one of these"
        )
    for group, voxels in zip(header.PerFrameFunctionalGroupsSequence, _voxels(path, header), strict=True):
        segment = None
        if kind == "BINARY":
            segment = int(functional(group, shared, "SegmentIdentificationSequence").ReferencedSegmentNumber)
        yield Frame(segment, _slice_of(group), _affine(group, shared), voxels.T)


def functional(group: Dataset, shared: Dataset, name: str) -> Dataset:
    """The functional group of that name of one frame, which may be that of all frames (PS3.3 C.7.6.16)."""
    return (group if name in group else shared)[name][0]


def _slice_of(group: Dataset) -> str:
    """The UID of the slice that a frame was derived from; "" where it does not say so."""
    for derivation in group.get("DerivationImageSequence", ()):
        for image in derivation.get("SourceImageSequence", ()):
            return str(image.ReferencedSOPInstanceUID)
    return ""


def _voxels(path: str | Path, header: Dataset) -> Iterator[np.ndarray]:
    """Of each frame, (rows, columns): truth values of a segment, or class numbers."""
    if header.SegmentationType != "BINARY" or header.file_meta.TransferSyntaxUID.is_encapsulated:
        for frame in iter_pixels(path):
            yield frame.astype(bool) if header.SegmentationType == "BINARY" else frame
        return
    size = header.Rows * header.Columns
    bits = np.frombuffer(header.PixelData, np.uint8)
    if header.NumberOfFrames * size > 8 * bits.size:
        raise InputError(f"{path}: {header.NumberOfFrames} frames need more than the {bits.size} bytes of PixelData")
    for start in range(0, header.NumberOfFrames * size, size):  # a frame may begin within a byte (PS3.5 8.1.1)
        first, end = start // 8, -(-(start + size) // 8)
        frame = np.unpackbits(bits[first:end], bitorder="little")[start % 8 :][:size]
        yield frame.reshape(header.Rows, header.Columns).astype(bool)


def _affine(group: Dataset, shared: Dataset) -> np.ndarray:
    """Steps between columns and rows, and the first pixel, in RAS+ mm, by PS3.3 C.7.6.2.1.1."""
    position, orientation, measures = (
        functional(group, shared, name)
        for name in ("PlanePositionSequence", "PlaneOrientationSequence", "PixelMeasuresSequence")
    )
    along, down = np.reshape(np.array(orientation.ImageOrientationPatient, float), (2, 3))
    between_rows, between_columns = map(float, measures.PixelSpacing)
    origin = np.array(position.ImagePositionPatient, float)
    return LPS_TO_RAS @ np.stack([along * between_columns, down * between_rows, origin], axis=1)
