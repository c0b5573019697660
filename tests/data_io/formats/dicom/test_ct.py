"""Where the slices of a DICOM series lie: order, spacing, tilt; what is refused, and real series."""

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.dicom.ct import open_dicom
from pneumoseg.data_io.formats.dicom.series import find_series
from tests.data_io.formats.dicom.dicom_files import (
    AXIAL,
    CORONAL,
    NEVER,
    OBLIQUE,
    SAGITTAL,
    SHUFFLED,
    STORED,
    check_against_simpleitk,
    header,
    save,
    simpleitk_of,
    write_series,
)


@pytest.mark.parametrize(
    "orientation", [AXIAL, CORONAL, SAGITTAL, OBLIQUE], ids=["axial", "coronal", "sagittal", "oblique"]
)
@pytest.mark.parametrize("direction", [1, -1])
def test_slices_are_ordered_by_place(tmp_path, said, orientation, direction):
    folder = write_series(tmp_path / "ct", np.arange(5) * 2.5 * direction, orientation=orientation)
    scan = open_dicom(folder)
    np.testing.assert_array_equal(scan.read().restore(), STORED[::direction].transpose(2, 1, 0))
    assert scan.stored_grid.spacing_mm == pytest.approx((0.8, 0.7, 2.5))
    (series,) = find_series(folder)
    assert [file.stem for file in series.files] == list(SHUFFLED)[::direction]
    check_against_simpleitk(scan, simpleitk_of(series.files))
    assert said.messages == []


def test_axial_affine_by_hand(tmp_path):
    affine = open_dicom(write_series(tmp_path / "ct")).stored_grid.affine
    np.testing.assert_allclose(affine, [[-0.8, 0, 0, 100], [0, -0.7, 0, 80], [0, 0, 2.5, 30], [0, 0, 0, 1]])


def test_a_gap_is_refused_or_said(tmp_path, said):
    folder = write_series(tmp_path / "ct", (0, 2.5, 7.5, 10, 12.5), "abcde")
    with pytest.raises(
        InputError, match=r"missing: 1 of 4 .* not 2\.50 mm, such as 5\.00 mm from 32\.50 mm \(b\.dcm\)"
    ):
        open_dicom(folder)
    assert said.messages == []
    assert open_dicom(folder, allow_gaps=True).stored_grid.spacing_mm[2] == pytest.approx(12.5 / 4)
    assert len(said.messages) == 1
    assert "missing" in said.messages[0]
    assert "3.12 mm apart" in said.messages[0]


@pytest.mark.parametrize(("third", "passes"), [(5.04, True), (5.07, False), (4.93, False)])
def test_spacing_may_jitter_by_a_twentieth_of_a_millimetre(tmp_path, third, passes):
    folder = write_series(tmp_path / "ct", (0, 2.5, third, third + 2.5, third + 5))
    if passes:
        assert open_dicom(folder).stored_grid.spacing_mm[2] == pytest.approx((third + 5) / 4)
        return
    with pytest.raises(InputError, match=r"ct: .*unevenly spaced: 1 of 4"):
        open_dicom(folder)


def test_jitter_grows_with_the_spacing(tmp_path):
    assert open_dicom(write_series(tmp_path / "ct", (0, 10, 20.09, 30.09, 40.09))).stored_grid.shape[2] == 5
    with pytest.raises(InputError, match="unevenly spaced"):
        open_dicom(write_series(tmp_path / "uneven", (0, 10, 20.11, 30.11, 40.11)))


def test_a_slice_moved_sideways_is_refused(tmp_path):
    folder = write_series(tmp_path / "ct", (0, 2.5, 5, 7.5), "abcd")
    save(header((-97, -80, 40)), folder / "e.dcm", STORED[4])
    with pytest.raises(InputError, match=r"unevenly spaced: 1 of 4 .* 3\.00 mm sideways"):
        open_dicom(folder)


def test_two_slices_in_one_place_are_refused(tmp_path):
    folder = write_series(tmp_path / "ct", (0, 2.5, 2.5, 5, 7.5), "abcde")
    with pytest.raises(InputError, match=r"1 lie where another does, .* b\.dcm and c\.dcm, both at 32\.50 mm"):
        open_dicom(folder, allow_gaps=True)


@pytest.mark.parametrize("degrees", [0.05, 12.0])
def test_a_tilted_gantry_shears_the_grid(tmp_path, said, degrees):
    folder = write_series(tmp_path / "ct", shear=(0, np.tan(np.radians(degrees)), 0))
    affine = open_dicom(folder).stored_grid.affine
    np.testing.assert_allclose(affine[:3, 2], (0, -2.5 * np.tan(np.radians(degrees)), 2.5), atol=1e-5)
    np.testing.assert_allclose(affine[:3, :2], [[-0.8, 0], [0, -0.7], [0, 0]])
    assert ["tilted by 12.0 degrees" in line for line in said.messages] == ([True] if degrees == 12 else [])


@pytest.mark.parametrize(
    ("values", "spacing"),
    [({"SpacingBetweenSlices": 4}, 4), ({}, 2.5), ({"SliceThickness": None}, 1), ({"SliceThickness": "0"}, 1)],
)
def test_one_slice_is_read_and_said(tmp_path, said, values, spacing):
    path = save(header((1, 2, 3), **values), tmp_path / "a.dcm", STORED[2])
    scan = open_dicom(path)
    np.testing.assert_array_equal(scan.read().restore(), STORED[2:3].transpose(2, 1, 0))
    np.testing.assert_allclose(scan.stored_grid.affine[:3, 2:], [[0, -1], [0, -2], [spacing, 3]])
    assert "a single slice" in said.messages[0]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"Modality": "MR"}, "found modality MR"),
        ({"Modality": None}, r"found modality \(empty\)"),
        ({"NumberOfFrames": 3}, r"b\.dcm: .* found 3 frames"),
        ({"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB"}, r"b\.dcm: .* grey .* found RGB"),
        ({"PhotometricInterpretation": "PALETTE COLOR"}, "found PALETTE COLOR"),
        ({"ImagePositionPatient": None}, "ImagePositionPatient is missing"),
        ({"PixelSpacing": [0, 1], "ImageOrientationPatient": None}, "ImageOrientationPatient, PixelSpacing is missing"),
        ({"ImageOrientationPatient": [1, 0, 0, 1, 0, 0]}, "two perpendicular directions"),
        ({"PixelSpacing": ([0.7, 0.8], [0.7, 0.9])}, r"one PixelSpacing, found \(0.7, 0.8\) mm in b.dcm and"),
    ],
)
def test_what_is_no_readable_ct_is_refused(tmp_path, values, message):
    with pytest.raises(InputError, match=message) as refusal:
        open_dicom(write_series(tmp_path / "ct", (0, 1), "bc", **values))
    assert "\n" not in str(refusal.value)
    assert NEVER not in str(refusal.value)


def test_real_series_is_its_nrrd_voxel_by_voxel(real_data):
    folder = real_data / "dicom" / "cip_ct64"
    check_against_simpleitk(open_dicom(folder), sitk.ReadImage(str(folder / "ct-64.nrrd")), atol=2e-3)


@pytest.mark.parametrize(
    ("name", "shape", "spacing", "lowest"),
    [
        ("lung_pet_ct_dx_A0002", (512, 512, 30), (0.646484375, 0.646484375, 8), 80),
        ("covid_ct_md_P002", (512, 512, 133), (0.603515625, 0.603515625, 2), -437.7),
    ],
)
def test_real_series_agrees_with_simpleitk(real_data, said, monkeypatch, name, shape, spacing, lowest):
    """The second is JPEG Lossless, named without order and without valid UIDs."""
    monkeypatch.setattr("pneumoseg.data_io.formats.dicom.ct.slab_thickness", lambda shape, itemsize: 3)
    folder: Path = real_data / "dicom" / name
    scan = open_dicom(folder)
    assert scan.stored_grid.shape == shape
    assert scan.stored_grid.spacing_mm == pytest.approx(spacing)
    assert scan.stored_grid.affine[2, 3] == pytest.approx(lowest)
    files = find_series(folder)[0].files[:3]
    image = simpleitk_of(files)
    np.testing.assert_array_equal(next(scan.read_stored()), sitk.GetArrayFromImage(image).T)
    for corner in ((0, 0, 0), (511, 0, 2), (0, 511, 1)):
        left, back, up = image.TransformIndexToPhysicalPoint(corner)
        np.testing.assert_allclose((scan.stored_grid.affine @ (*corner, 1))[:3], (-left, -back, up), atol=1e-4)
    assert said.messages == []


def test_slices_of_two_patients_in_one_folder_are_refused(tmp_path):
    write_series(tmp_path / "ct", PatientID=("one", "one", "two", "one", "one"))
    with pytest.raises(InputError, match="a folder of slices is of one patient, found those of 2") as error:
        open_dicom(tmp_path / "ct")
    assert "two" not in str(error.value).removeprefix(str(tmp_path))
    write_series(tmp_path / "both", names=("1a", "1b", "1c", "1d", "1e"), uid="1.2.3", PatientID="one", SeriesNumber=1)
    write_series(tmp_path / "both", names=("2a", "2b", "2c", "2d", "2e"), uid="1.2.4", PatientID="two", SeriesNumber=2)
    with pytest.raises(InputError, match="or name the series"):
        open_dicom(tmp_path / "both")
    assert open_dicom(tmp_path / "both", series="2").grid.shape == (8, 6, 5)
