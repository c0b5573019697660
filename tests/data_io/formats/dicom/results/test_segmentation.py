"""Masks as DICOM segmentations, read back by highdicom, pydicom and SimpleITK's library of DICOM."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import highdicom as hd
import numpy as np
import pytest
from pydicom import dcmread

from pneumoseg.data_io.formats.dicom.ct import open_dicom
from pneumoseg.data_io.formats.dicom.results.segmentation import tracking_uid, write_segmentation
from pneumoseg.data_io.formats.dicom.results.source import source_of
from pneumoseg.data_io.formats.reading import read_labels
from pneumoseg.data_io.volumes.labels import LUNG_LABELS, LabelTable
from pneumoseg.data_io.volumes.volume import on_grid_of
from tests.data_io.formats.dicom.dicom_files import AXIAL, CORONAL, OBLIQUE, SAGITTAL
from tests.data_io.formats.dicom.results.series_with_mask import INSTANCES, ORIGIN, mask_of, series

DCMQI = shutil.which("segimage2itkimage", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
PRONE = (-1, 0, 0, 0, -1, 0)
DECUBITUS = (0, -1, 0, 1, 0, 0)
FROM_THE_HEAD = (1, 0, 0, 0, -1, 0)


def written(tmp_path, encoding="binary", **values):
    tmp_path.mkdir(exist_ok=True)
    ct = series(tmp_path / "ct", **values)
    mask = mask_of(ct)
    path = tmp_path / "mask.seg.dcm"
    write_segmentation(path, mask, LUNG_LABELS, source=source_of(ct.stored_grid), origin=ORIGIN, encoding=encoding)
    return path, ct, mask


@pytest.mark.parametrize("encoding", ["binary", "labelmap"])
@pytest.mark.parametrize("orientation", [AXIAL, CORONAL, SAGITTAL, OBLIQUE, PRONE, DECUBITUS, FROM_THE_HEAD])
def test_the_mask_comes_back_where_it_was(tmp_path, orientation, encoding):
    path, ct, mask = written(tmp_path, encoding, orientation=orientation)
    found = read_labels(path, LUNG_LABELS)
    np.testing.assert_array_equal(on_grid_of(ct, found, "CT and mask").array, mask.array)
    np.testing.assert_allclose(found.grid.affine, mask.grid.affine, atol=1e-3)


@pytest.mark.parametrize("encoding", ["binary", "labelmap"])
def test_a_tilted_gantry_and_uneven_steps_keep_their_places(tmp_path, encoding):
    tilted, ct, mask = written(tmp_path / "tilted", encoding, shear=(0, 0.3, 0))
    np.testing.assert_array_equal(on_grid_of(ct, read_labels(tilted, LUNG_LABELS), "CT and mask").array, mask.array)
    uneven, ct, mask = written(tmp_path / "uneven", encoding, heights=(0, 2.51, 5, 7.5, 10.01))
    np.testing.assert_array_equal(read_labels(uneven, LUNG_LABELS).array, mask.array)


def test_orientations_that_differ_by_rounding_are_one(tmp_path):
    rounded = tuple([1, 0, 0, 0, 1, 0.0002 * (number % 2)] for number in range(5))
    path, ct, mask = written(tmp_path, ImageOrientationPatient=rounded)
    np.testing.assert_array_equal(on_grid_of(ct, read_labels(path, LUNG_LABELS), "CT and mask").array, mask.array)


def test_highdicom_reads_the_same_voxels_by_slice(tmp_path):
    path, _, mask = written(tmp_path)
    found = hd.seg.segread(path).get_pixels_by_source_instance(list(INSTANCES), combine_segments=True)
    np.testing.assert_array_equal(found, mask.restore().transpose(2, 1, 0))


def test_segments_carry_codes_colours_and_sides(tmp_path):
    path, ct, _ = written(tmp_path)
    header = dcmread(path)
    left, right, infection = header.SegmentSequence
    kinds = [one.SegmentedPropertyTypeCodeSequence[0] for one in (left, right, infection)]
    assert [one.CodeValue for one in kinds] == ["39607008", "39607008", "47351003"]
    modifiers = [one.SegmentedPropertyTypeModifierCodeSequence[0].CodeValue for one in kinds]
    assert modifiers == ["7771000", "24028007", "840539006"]
    assert [one.SegmentAlgorithmType for one in header.SegmentSequence] == ["AUTOMATIC"] * 3
    orange = hd.color.CIELabColor.from_rgb(255, 90, 0)
    assert infection.RecommendedDisplayCIELabValue == list(orange.value)
    assert left.TrackingUID == tracking_uid(source_of(ct.stored_grid), ORIGIN, "lung_left")


def test_it_belongs_to_the_study_in_a_series_of_its_own(tmp_path):
    path, _, _ = written(tmp_path)
    header = dcmread(path)
    assert (header.StudyInstanceUID, header.FrameOfReferenceUID, header.PatientID) == ("1.2.4", "1.2.5", "p")
    assert header.SeriesInstanceUID != "1.2.3"
    referenced = [one.ReferencedSOPInstanceUID for one in header.ReferencedSeriesSequence[0].ReferencedInstanceSequence]
    assert sorted(referenced) == sorted(INSTANCES)
    again, _, _ = written(tmp_path / "again")
    assert dcmread(again).SOPInstanceUID == header.SOPInstanceUID


def test_classes_without_codes_and_absent_classes_are_segments_too(tmp_path):
    ct = series(tmp_path / "ct")
    table = LabelTable(("background", "lung_left", "nodule"), ((0, 0, 0), (1, 2, 3), (4, 5, 6)))
    mask = ct.with_array(np.zeros(ct.array.shape, np.uint8))
    path = tmp_path / "mask.seg.dcm"
    write_segmentation(path, mask, table, source=source_of(ct.stored_grid), origin=ORIGIN)
    assert [one.SegmentLabel for one in dcmread(path).SegmentSequence] == ["lung_left", "nodule"]
    assert not read_labels(path, table).array.any()


@pytest.mark.parametrize(
    ("charset", "name"), [("ISO_IR 100", "Müller^Jörg"), ("ISO_IR 192", "山田^太郎"), ("ISO_IR 144", "Люкceмбypг^Ю")]
)
def test_names_in_any_character_set_stay_readable(tmp_path, charset, name):
    path, _, _ = written(tmp_path, SpecificCharacterSet=charset, PatientName=name)
    assert str(dcmread(path).PatientName) == name


def test_a_part_of_a_series_is_a_mask_too(tmp_path):
    ct = open_dicom(tmp_path / "ct" / "a.dcm") if series(tmp_path / "ct") else None
    mask = mask_of(ct.read())
    path = tmp_path / "mask.seg.dcm"
    write_segmentation(path, mask, LUNG_LABELS, source=source_of(ct.stored_grid), origin=ORIGIN)
    np.testing.assert_array_equal(read_labels(path, LUNG_LABELS).array, mask.array)


@pytest.mark.skipif(DCMQI is None, reason="dcmqi is not installed")
@pytest.mark.parametrize("orientation", [AXIAL, CORONAL, OBLIQUE, DECUBITUS])
def test_dcmqi_reads_the_same_mask_in_the_same_place(tmp_path, orientation):
    path, ct, mask = written(tmp_path, orientation=orientation)
    command = [DCMQI, "--inputDICOM", path, "--outputDirectory", tmp_path, "-t", "nrrd"]
    subprocess.run([*command, "--mergeSegments"], capture_output=True, check=True)
    found = read_labels(tmp_path / "1.nrrd", 4)
    np.testing.assert_array_equal(on_grid_of(ct, found, "CT and mask").array, mask.array)
    np.testing.assert_allclose(found.grid.affine, mask.grid.affine, atol=1e-3)


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dciodvfy (Debian's dicom3tools) is not installed")
def test_the_standard_holds(tmp_path):
    path, _, _ = written(tmp_path, StudyDate="20200101", StudyTime="120000", StudyID="1")
    found = subprocess.run(["dciodvfy", str(path)], capture_output=True, text=True, check=False)
    assert "Error" not in found.stderr + found.stdout
