"""The proof must notice each way in which a segmentation can be wrong."""

import numpy as np
import pytest
from pydicom import dcmread

from pneumoseg.data_io.formats.dicom.results import segmentation
from pneumoseg.data_io.formats.dicom.results.round_trip import UnfaithfulFile, check_segmentation
from pneumoseg.data_io.formats.dicom.results.segmentation import write_segmentation
from pneumoseg.data_io.formats.dicom.results.source import source_of
from pneumoseg.data_io.volumes.labels import LUNG_LABELS
from tests.data_io.formats.dicom.results.series_with_mask import ORIGIN, mask_of, series


@pytest.fixture
def case(tmp_path):
    ct = series(tmp_path / "ct")
    mask, source = mask_of(ct), source_of(ct.stored_grid)
    path = tmp_path / "mask.seg.dcm"
    write_segmentation(path, mask, LUNG_LABELS, source=source, origin=ORIGIN)
    return path, mask, source


def spoilt(path, change):
    header = dcmread(path)
    change(header)
    header.save_as(path)


def test_what_was_written_passes(case):
    path, mask, source = case
    check_segmentation(path, mask, LUNG_LABELS, source=source)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_mirrored_mask_is_noticed(case, axis):
    path, mask, source = case
    with pytest.raises(UnfaithfulFile, match=r"\d+ voxels read back are not those of the mask"):
        check_segmentation(path, mask.with_array(np.flip(mask.array, axis)), LUNG_LABELS, source=source)


def test_one_wrong_voxel_is_noticed(case):
    path, mask, source = case
    array = mask.array.copy()
    array[3, 2, 1] = (array[3, 2, 1] + 1) % 4
    with pytest.raises(UnfaithfulFile, match="1 voxels read back"):
        check_segmentation(path, mask.with_array(array), LUNG_LABELS, source=source)


def move(header, axis, by_mm):
    for group in header.PerFrameFunctionalGroupsSequence:
        position = group.PlanePositionSequence[0]
        moved = list(position.ImagePositionPatient)
        moved[axis] = float(moved[axis]) + by_mm
        position.ImagePositionPatient = moved


def exchange(header):
    left, right, _ = header.SegmentSequence
    left.SegmentLabel, right.SegmentLabel = right.SegmentLabel, left.SegmentLabel


def recode(header):
    kinds = [one.SegmentedPropertyTypeCodeSequence[0] for one in header.SegmentSequence[:2]]
    sides = [one.SegmentedPropertyTypeModifierCodeSequence for one in kinds]
    for kind, side in zip(kinds, reversed(sides), strict=True):
        kind.SegmentedPropertyTypeModifierCodeSequence = side


def refer(header):
    first, second = header.PerFrameFunctionalGroupsSequence[:2]
    one, other = (group.DerivationImageSequence[0].SourceImageSequence[0] for group in (first, second))
    one.ReferencedSOPInstanceUID, other.ReferencedSOPInstanceUID = other.ReferencedSOPInstanceUID, "1.2.3.1"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda header: move(header, 2, 0.01), "a frame lies 0.0100 mm from the nearest slice"),
        (lambda header: move(header, 2, 2.5), "refers to another slice|mm from the nearest slice"),
        (lambda header: move(header, 0, 0.3), "beside the voxels of the CT"),
        (lambda header: move(header, 0, 0.8), "does not cover the slice"),
        (lambda header: turn(header, [-1, 0, 0, 0, 1, 0]), "does not cover the slice"),
        (lambda header: turn(header, [0, 1, 0, 1, 0, 0]), "beside the voxels of the CT|does not cover"),
        (lambda header: scale(header, [0.7, 0.79]), "beside the voxels of the CT"),
        (exchange, "is not lung_left|is not lung_right"),
        (recode, "is not lung_left by its number, name or code"),
        (refer, "refers to another slice"),
        (lambda header: setattr(header, "PixelData", bytes(len(header.PixelData))), "voxels read back"),
        (lambda header: setattr(header, "PixelData", b"\xff" * len(header.PixelData)), "voxels of two segments"),
    ],
)
def test_each_fault_of_place_side_or_number_is_noticed(case, change, message):
    path, mask, source = case
    spoilt(path, change)
    with pytest.raises(UnfaithfulFile, match=message):
        check_segmentation(path, mask, LUNG_LABELS, source=source)


def turn(header, cosines):
    header.SharedFunctionalGroupsSequence[0].PlaneOrientationSequence[0].ImageOrientationPatient = cosines


def scale(header, spacing_mm):
    header.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].PixelSpacing = spacing_mm


def test_an_unfaithful_file_is_not_kept(tmp_path, monkeypatch):
    ct = series(tmp_path / "ct")
    mask = mask_of(ct)
    mirrored = mask.with_array(mask.array[::-1])
    check = segmentation.check_segmentation
    monkeypatch.setattr(
        segmentation, "check_segmentation", lambda path, labels, table, **how: check(path, mirrored, table, **how)
    )
    path = tmp_path / "out" / "mask.seg.dcm"
    with pytest.raises(UnfaithfulFile):
        write_segmentation(path, mask, LUNG_LABELS, source=source_of(ct.stored_grid), origin=ORIGIN)
    assert not list(path.parent.iterdir())
