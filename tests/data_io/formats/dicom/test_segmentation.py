"""DICOM segmentations as masks."""

import numpy as np
import pytest
from pydicom import dcmread

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.dicom.ct import open_dicom
from pneumoseg.data_io.formats.dicom.results.segmentation import write_segmentation
from pneumoseg.data_io.formats.dicom.results.source import source_of
from pneumoseg.data_io.formats.dicom.segmentation import names_of_segmentation, read_segmentation
from pneumoseg.data_io.formats.reading import read_labels
from pneumoseg.data_io.phantoms.dicom_series import write_series as phantom_series
from pneumoseg.data_io.volumes.labels import LUNG_LABELS, LabelTable
from pneumoseg.data_io.volumes.volume import Volume
from tests.data_io.formats.dicom.results.series_with_mask import INSTANCES, ORIGIN
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


def move(header, by_mm, frames=(3,), axis=2):
    for frame in frames:
        position = header.PerFrameFunctionalGroupsSequence[frame].PlanePositionSequence[0].ImagePositionPatient
        position[axis] = float(position[axis]) + by_mm


def written_of_60_slices(tmp_path):
    volume = Volume.from_source(np.zeros((16, 16, 60), np.int16), np.diag([1.0, 1.0, 7 / 6, 1.0]))
    ct = open_dicom(phantom_series(tmp_path / "ct", volume)).read()
    mask = ct.with_array(np.broadcast_to(np.arange(60, dtype=np.uint8) % 4, ct.array.shape).copy())
    path = tmp_path / "mask.seg.dcm"
    source = source_of(ct.stored_grid)
    write_segmentation(path, mask, LUNG_LABELS, source=source, origin=ORIGIN, encoding="labelmap")
    return path, mask


def test_an_uneven_step_is_refused_among_many_slices_too(tmp_path):
    path, _ = written_of_60_slices(tmp_path)
    spoilt(path, lambda header: move(header, 0.4 * 7 / 6, range(30, 60)))
    with pytest.raises(InputError, match="even steps"):
        read_segmentation(path)


def test_rounded_positions_are_even_and_slices_between_are_counted(tmp_path):
    path, mask = written_of_60_slices(tmp_path)

    def rounded(header):
        for group in header.PerFrameFunctionalGroupsSequence:
            position = group.PlanePositionSequence[0].ImagePositionPatient
            position[2] = round(float(position[2]), 2)

    spoilt(path, rounded)
    np.testing.assert_array_equal(read_segmentation(path).array, mask.array)
    spoilt(path, lambda header: keep_maps(header, (0, 1, 2, 59)))
    assert read_segmentation(path).array.shape == mask.array.shape


def keep_maps(header, numbers):
    from pydicom.encaps import encapsulate, generate_frames

    frames = list(generate_frames(header.PixelData, number_of_frames=header.NumberOfFrames))
    header.PixelData = encapsulate([frames[number] for number in numbers])
    header.PerFrameFunctionalGroupsSequence = [header.PerFrameFunctionalGroupsSequence[number] for number in numbers]
    header.NumberOfFrames = len(numbers)


def test_places_that_differ_by_rounding_alone_are_one(tmp_path):
    path, _, mask = written(tmp_path)
    spoilt(path, lambda header: move(header, 0.0006, range(5, 10)))
    np.testing.assert_array_equal(read_segmentation(path).array, mask.array)


def test_functional_groups_may_be_of_each_frame_or_of_all(tmp_path):
    path, _, mask = written(tmp_path)

    def exchange(header):
        keep(header, [at for at, group in enumerate(header.PerFrameFunctionalGroupsSequence) if is_first(group)])
        shared = header.SharedFunctionalGroupsSequence[0]
        for group in header.PerFrameFunctionalGroupsSequence:
            group.PixelMeasuresSequence = shared.PixelMeasuresSequence
            shared.SegmentIdentificationSequence = group.SegmentIdentificationSequence
            del group.SegmentIdentificationSequence
        del shared.PixelMeasuresSequence

    spoilt(path, exchange)
    np.testing.assert_array_equal(read_segmentation(path).array, mask.array == 1)


def is_first(group):
    return group.SegmentIdentificationSequence[0].ReferencedSegmentNumber == 1


def to_words(header, number):
    """A label map of two bytes a voxel, one of them `number`."""
    voxels = header.pixel_array.astype("<u2")
    voxels[0, 0, 0] = number
    header.BitsAllocated, header.BitsStored, header.HighBit = 16, 16, 15
    header.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.1"
    header.PixelData = voxels.tobytes()
    header["PixelData"].VR, header["PixelData"].is_undefined_length = "OW", False


def test_numbers_of_segments_beyond_a_byte_are_not_wrapped(tmp_path):
    path, _, _ = written(tmp_path, "labelmap")
    spoilt(path, lambda header: to_words(header, 255))
    assert read_segmentation(path).array.max() == 255
    spoilt(path, lambda header: to_words(header, 257))
    with pytest.raises(InputError, match="at most 255, found 257"):
        read_segmentation(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda header: setattr(header, "PixelData", b"\xff" * len(header.PixelData)), "segments overlap"),
        (lambda header: move(header, 0.7), "even steps"),
        (lambda header: move(header, 0.7, axis=0), "one line, found one 0.9 pixels beside it"),
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
