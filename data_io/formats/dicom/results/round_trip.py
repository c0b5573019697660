"""Proof that a DICOM segmentation holds the mask that it was written from, in the same places of the patient.

What is read back shares nothing with the writer: pydicom for the headers, bits unpacked anew, and each frame placed by
its own position, orientation and spacing in patient coordinates, not by the order of the slices.
"""

from pathlib import Path

import numpy as np
from pydicom import dcmread
from pydicom.dataset import Dataset

from pneumoseg.data_io.formats.dicom.results.source import Source
from pneumoseg.data_io.formats.dicom.segmentation_frames import LARGE_VALUE_BYTES, Frame, frames_of, segments_of
from pneumoseg.data_io.formats.segment_codes import code_of
from pneumoseg.data_io.volumes.labels import LabelTable
from pneumoseg.data_io.volumes.volume import LPS_TO_RAS, Grid, Volume

SAME_PLACE_MM = 1e-3


class UnfaithfulFile(RuntimeError):
    """A file that does not hold what it was written from: a fault of the program; the file is not kept."""


def check_segmentation(path: str | Path, labels: Volume, table: LabelTable, *, source: Source) -> None:
    """Raises UnfaithfulFile unless the file's frames, put together by their places in the patient, are `labels`: each
    voxel of each class, on the slices of the CT within SAME_PLACE_MM, which each frame names; and unless left and right
    have their codes."""
    header = dcmread(path, defer_size=LARGE_VALUE_BYTES)
    _check_codes(header, table)
    slices = _slices_of(labels.stored_grid, source)
    found = np.zeros(labels.array.shape, np.uint8)
    for frame in frames_of(path, header):
        number = _nearest(slices, frame)
        if frame.of != source.headers[number].SOPInstanceUID:
            raise UnfaithfulFile(f"a frame at slice {number} refers to another slice")
        plane = _plane(found, labels, slices[number], number, frame=frame)
        if frame.segment is None:
            plane[...] = frame.voxels
        elif plane[frame.voxels].any():
            raise UnfaithfulFile(f"slice {number} has voxels of two segments")
        else:
            plane[frame.voxels] = frame.segment
    if wrong := int(np.count_nonzero(found != labels.array)):
        raise UnfaithfulFile(f"{wrong} voxels read back are not those of the mask")


def _slices_of(grid: Grid, source: Source) -> np.ndarray:
    """Where the slices of the CT lie, as `_affine` says it of frames, (slices, 3, 3): by their own headers, as these
    may be a little unevenly spaced where the grid is not."""
    axes = grid.affine[:3, :2]
    return np.stack([np.column_stack([axes, LPS_TO_RAS @ position]) for position in source.positions_mm])


def _nearest(slices: np.ndarray, frame: Frame) -> int:
    """The slice whose plane the frame lies in."""
    normal = np.cross(slices[0, :, 0], slices[0, :, 1])
    apart_mm = np.abs((slices[:, :, 2] - frame.affine[:, 2]) @ normal) / np.linalg.norm(normal)
    nearest = int(apart_mm.argmin())
    if apart_mm[nearest] > SAME_PLACE_MM:
        raise UnfaithfulFile(f"a frame lies {apart_mm[nearest]:.4f} mm from the nearest slice")
    return nearest


def _plane(found: np.ndarray, labels: Volume, ct_slice: np.ndarray, number: int, *, frame: Frame) -> np.ndarray:
    """The part of `found` (x, y, z; axes as RAS+) where the frame lies: a view (columns, rows) in the frame's order."""
    columns, rows = frame.voxels.shape
    corners = np.array([[0, columns - 1, 0], [0, 0, rows - 1], [1, 1, 1]])
    axes = np.column_stack([ct_slice[:, :2], np.cross(ct_slice[:, 0], ct_slice[:, 1])])
    in_slice = np.linalg.solve(axes, frame.affine @ corners - ct_slice[:, 2:])
    apart_mm = np.linalg.norm(axes @ (in_slice - np.rint(in_slice)), axis=0).max()
    if apart_mm > SAME_PLACE_MM:
        raise UnfaithfulFile(f"the frame at slice {number} lies {apart_mm:.4f} mm beside the voxels of the CT")
    stored = np.vstack([np.rint(in_slice[:2]), np.full(3, number), np.ones(3)])
    indices = np.linalg.solve(labels.grid.affine, labels.stored_grid.affine @ stored)[:3]
    start, along, down = np.rint(indices).T.astype(int)
    steps = (along - start, down - start)
    x, y = (int(np.abs(step).argmax()) for step in steps)
    spans = [(at, at) for at in start]
    for axis, corner in ((x, along), (y, down)):
        spans[axis] = (start[axis], corner[axis])
    inside = all(0 <= value < size for span, size in zip(spans, found.shape, strict=True) for value in span)
    if x == y or not inside or [abs(int(step.sum())) for step in steps] != [columns - 1, rows - 1]:
        raise UnfaithfulFile(f"the frame at slice {number} does not cover the slice")
    view = found[tuple(slice(min(span), max(span) + 1) for span in spans)]
    flipped = view[tuple(slice(None, None, -1 if span[1] < span[0] else 1) for span in spans)]
    return np.moveaxis(flipped, (x, y), (0, 1))[:, :, 0]


def _check_codes(header: Dataset, table: LabelTable) -> None:
    """Raises UnfaithfulFile unless the segments are the classes of the table, by number, name and code."""
    for number, (one, name) in enumerate(zip(segments_of(header), table.names[1:], strict=True), start=1):
        (kind,) = one.SegmentedPropertyTypeCodeSequence
        modifiers = [modifier.CodeValue for modifier in kind.get("SegmentedPropertyTypeModifierCodeSequence", ())]
        code = code_of(name)
        expected = (number, name[:64], code.type.value, [code.modifier.value] if code.modifier else [])
        if (one.SegmentNumber, one.SegmentLabel, kind.CodeValue, modifiers) != expected:
            raise UnfaithfulFile(f"segment {one.SegmentNumber} is not {name} by its number, name or code")
