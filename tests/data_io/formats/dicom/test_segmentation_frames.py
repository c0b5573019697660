"""Frames of segmentations made by highdicom."""

import numpy as np
import pytest
from pydicom import dcmread

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.dicom.segmentation_frames import frames_of
from tests.data_io.formats.dicom.results.series_with_mask import INSTANCES
from tests.data_io.formats.dicom.results.test_segmentation import written


def test_frames_give_segment_slice_place_and_voxels(tmp_path):
    path, _, mask = written(tmp_path)
    frames = list(frames_of(path, dcmread(path)))
    assert len(frames) == 15
    stored = mask.restore()
    for frame in frames:
        number = INSTANCES.index(frame.of)
        np.testing.assert_array_equal(frame.voxels, stored[:, :, number] == frame.segment)
        np.testing.assert_allclose(frame.affine[:, 2], (100, 80, 30 + 2.5 * number))
        np.testing.assert_allclose(frame.affine[:, :2], [[-0.8, 0], [0, -0.7], [0, 0]])


def test_frames_of_a_label_map_hold_class_numbers(tmp_path):
    path, _, mask = written(tmp_path, "labelmap")
    frames = list(frames_of(path, dcmread(path)))
    assert [frame.segment for frame in frames] == [None] * 5
    np.testing.assert_array_equal(frames[0].voxels, mask.restore()[:, :, INSTANCES.index(frames[0].of)])


def test_fractional_and_truncated_files_are_refused(tmp_path):
    path, _, _ = written(tmp_path)
    header = dcmread(path)
    header.PixelData = header.PixelData[:40]
    with pytest.raises(InputError, match="15 frames need more than the 40 bytes of PixelData"):
        list(frames_of(path, header))
    header.SegmentationType = "FRACTIONAL"
    with pytest.raises(InputError, match="BINARY or LABELMAP segmentation, found FRACTIONAL"):
        list(frames_of(path, header))
