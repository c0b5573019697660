"""DICOM segmentations as masks."""

import numpy as np
import pytest
from pydicom import dcmread

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.dicom.segmentation import names_of_segmentation, read_segmentation
from pneumoseg.data_io.formats.reading import read_labels
from pneumoseg.data_io.volumes.labels import LUNG_LABELS, LabelTable
from tests.data_io.formats.dicom.results.series_with_mask import INSTANCES
from tests.data_io.formats.dicom.results.test_segmentation import written


def spoilt(path, change):
    header = dcmread(path)
    change(header)
    header.save_as(path)
    return path


def keep(header, numbers):
    size = header.Rows * header.Columns
    bits = np.unpackbits(np.frombuffer(header.PixelData, np.uint8), bitorder="little")[: size * header.NumberOfFrames]
    kept = np.packbits(bits.reshape(-1, size)[numbers].ravel(), bitorder="little").tobytes()
    header.PixelData = kept + b"\0" * (len(kept) % 2)
    header.PerFrameFunctionalGroupsSequence = [header.PerFrameFunctionalGroupsSequence[number] for number in numbers]
    header.NumberOfFrames = len(numbers)


def of_slices(header, numbers):
    """The numbers of the frames of these slices."""
    of = [
        group.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID
        for group in header.PerFrameFunctionalGroupsSequence
    ]
    return [at for at, uid in enumerate(of) if INSTANCES.index(uid) in numbers]


def test_frames_may_come_in_any_order(tmp_path):
    path, _, mask = written(tmp_path)
    shuffled = np.random.default_rng(0).permutation(15).tolist()
    spoilt(path, lambda header: keep(header, shuffled))
    np.testing.assert_array_equal(read_segmentation(path).array, mask.array)


def test_slices_without_frames_are_empty(tmp_path):
    path, _, mask = written(tmp_path)
    spoilt(path, lambda header: keep(header, of_slices(header, (0, 1, 4))))
    found = read_segmentation(path).restore()
    expected = mask.restore().copy()
    expected[:, :, 2:4] = 0
    np.testing.assert_array_equal(found, expected)


def test_a_single_slice_has_its_thickness(tmp_path):
    path, _, mask = written(tmp_path)
    spoilt(path, lambda header: keep(header, of_slices(header, (2,))))
    found = read_segmentation(path)
    np.testing.assert_array_equal(found.restore()[:, :, 0], mask.restore()[:, :, 2])
    assert found.spacing_mm == pytest.approx((0.8, 0.7, 2.5))


def test_classes_are_assigned_by_the_names_of_segments(tmp_path):
    path, _, mask = written(tmp_path)
    assert names_of_segmentation(path) == (("lung_left", (1,)), ("lung_right", (2,)), ("infection", (3,)))
    order = (0, 3, 1, 2)
    table = LabelTable(
        tuple(LUNG_LABELS.names[number] for number in order), tuple(LUNG_LABELS.colours[number] for number in order)
    )
    found = read_labels(path, table)
    np.testing.assert_array_equal(np.array(order)[found.array], mask.array)


def move(header, by_mm):
    position = header.PerFrameFunctionalGroupsSequence[3].PlanePositionSequence[0]
    position.ImagePositionPatient = [*position.ImagePositionPatient[:2], position.ImagePositionPatient[2] + by_mm]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda header: setattr(header, "PixelData", b"\xff" * len(header.PixelData)), "segments overlap"),
        (lambda header: move(header, 0.7), "even steps"),
        (lambda header: setattr(header, "SegmentationType", "FRACTIONAL"), "BINARY or LABELMAP"),
        (lambda header: delattr(header, "PerFrameFunctionalGroupsSequence"), "cannot be read"),
        (lambda header: setattr(header, "NumberOfFrames", 20000), "need more than the"),
    ],
)
def test_what_is_no_mask_is_refused(tmp_path, change, message):
    path, _, _ = written(tmp_path)
    spoilt(path, change)
    with pytest.raises(InputError, match=message):
        read_labels(path, LUNG_LABELS)
