"""DICOM series as scanners, archives and anonymisers leave them."""

import logging
import warnings
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    CTImageStorage,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    RLELossless,
)
from scipy.spatial.transform import Rotation

from data_io import reporting
from data_io.dicom import choose_series, open_dicom
from data_io.dicom_series import find_series, is_dicom
from data_io.errors import InputError
from data_io.readers import is_readable, read_volume

AXIAL = (1, 0, 0, 0, 1, 0)
CORONAL = (1, 0, 0, 0, 0, -1)
SAGITTAL = (0, 1, 0, 0, 0, -1)
OBLIQUE = tuple(Rotation.from_euler("xyz", (12, -20, 33), degrees=True).as_matrix()[:, :2].T.ravel().round(9))
SHUFFLED = ("c", "a", "e", "b", "d")
STORED = np.arange(5 * 6 * 8).reshape(5, 6, 8).astype(np.int16)  # (slice, row, column), each value once
NEVER = "never^shown"


def header(position, orientation=AXIAL, uid="1.2.3", **values):
    """An uncompressed CT slice of 6 rows and 8 columns without pixels; a value of None leaves the tag out."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = CTImageStorage
    dataset.file_meta.MediaStorageSOPInstanceUID = "1.2.9"
    every = {
        "SOPClassUID": CTImageStorage,
        "SOPInstanceUID": "1.2.9",
        "PatientName": NEVER,
        "PatientID": NEVER,
        "Modality": "CT",
        "SeriesInstanceUID": uid,
        "SeriesNumber": 1,
        "SeriesDescription": "Thorax",
        "ImagePositionPatient": [round(float(value), 6) for value in position],
        "ImageOrientationPatient": list(orientation),
        "PixelSpacing": [0.7, 0.8],
        "SliceThickness": 2.5,
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "Rows": 6,
        "Columns": 8,
        "BitsAllocated": 16,
        "BitsStored": 16,
        "HighBit": 15,
        "PixelRepresentation": 1,
        "RescaleSlope": 1,
        "RescaleIntercept": 0,
    }
    for keyword, value in {**every, **values}.items():
        if value is not None:
            setattr(dataset, keyword, value)
    return dataset


def save(dataset, path, stored):
    dataset.PixelData = stored.tobytes()
    dataset.save_as(path, enforce_file_format=True)
    return path


def write_series(folder, heights=(0, 2.5, 5, 7.5, 10), names=SHUFFLED, orientation=AXIAL, shear=(0, 0, 0), **values):
    """`heights`: mm along the slices' normal; `shear`: mm that a slice moves further for each mm of height."""
    folder.mkdir(exist_ok=True)
    normal = np.cross(orientation[:3], orientation[3:])
    for index, (height, name) in enumerate(zip(heights, names, strict=False)):
        position = np.array([-100.0, -80, 30]) + height * (normal + np.array(shear))
        own = {keyword: value[index] if isinstance(value, tuple) else value for keyword, value in values.items()}
        save(header(position, orientation, **own), folder / f"{name}.dcm", STORED[index])
    return folder


@pytest.fixture
def said(monkeypatch):
    """What was logged as a warning or worse."""
    lines = []
    handler = logging.Handler(logging.WARNING)
    monkeypatch.setattr(handler, "emit", lambda record: lines.append(record.getMessage()))
    reporting.log.addHandler(handler)
    yield lines
    reporting.log.removeHandler(handler)


def simpleitk_of(files):
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames([str(file) for file in files])
    return reader.Execute()


def check_against_simpleitk(scan, image, atol=1e-4):
    """Corners in the same place (LPS against RAS) and the same voxels."""
    assert scan.source.shape == image.GetSize()
    for index in np.ndindex(2, 2, 2):
        corner = [int(at * (size - 1)) for at, size in zip(index, scan.source.shape, strict=True)]
        left, back, up = image.TransformIndexToPhysicalPoint(corner)
        np.testing.assert_allclose((scan.source.affine @ (*corner, 1))[:3], (-left, -back, up), atol=atol)
    np.testing.assert_array_equal(scan.read().restore(), sitk.GetArrayFromImage(image).T)


@pytest.mark.parametrize(
    "orientation", [AXIAL, CORONAL, SAGITTAL, OBLIQUE], ids=["axial", "coronal", "sagittal", "oblique"]
)
@pytest.mark.parametrize("direction", [1, -1])
def test_slices_are_ordered_by_place(tmp_path, said, orientation, direction):
    folder = write_series(tmp_path / "ct", np.arange(5) * 2.5 * direction, orientation=orientation)
    scan = open_dicom(folder)
    np.testing.assert_array_equal(scan.read().restore(), STORED[::direction].transpose(2, 1, 0))
    assert scan.source.spacing_mm == pytest.approx((0.8, 0.7, 2.5))
    (series,) = find_series(folder)
    assert [file.stem for file in series.files] == list(SHUFFLED)[::direction]
    check_against_simpleitk(scan, simpleitk_of(series.files))
    assert said == []


def test_axial_affine_by_hand(tmp_path):
    affine = open_dicom(write_series(tmp_path / "ct")).source.affine
    np.testing.assert_allclose(affine, [[-0.8, 0, 0, 100], [0, -0.7, 0, 80], [0, 0, 2.5, 30], [0, 0, 0, 1]])


def test_folder_and_file_read_through_the_registry(tmp_path, said):
    folder = write_series(tmp_path / "ct")
    assert is_readable(folder)
    assert is_readable(folder / "a.dcm")
    assert read_volume(folder).array.shape == (8, 6, 5)
    np.testing.assert_array_equal(read_volume(folder / "a.dcm").restore()[..., 0], STORED[1].T)


def test_slabs_fill_the_scan(tmp_path, monkeypatch):
    monkeypatch.setattr("data_io.dicom.slab_thickness", lambda shape, itemsize: 2)
    scan = open_dicom(write_series(tmp_path / "ct"))
    assert [slab.shape[2] for slab in scan.read_stored()] == [2, 2, 1]
    np.testing.assert_array_equal(np.concatenate(list(scan.read_stored()), axis=2), STORED.transpose(2, 1, 0))


@pytest.mark.parametrize("uid", ["", "not-a-uid", "09bc8aea-ff9c-4106-8514-294cbcf9a082"])
def test_invalid_uids_and_values_read_without_a_word(tmp_path, said, capfd, uid):
    folder = tmp_path / "ct"
    with warnings.catch_warnings(), pydicom.config.disable_value_validation():
        warnings.simplefilter("ignore")
        write_series(folder, uid=uid, SOPInstanceUID="", SeriesNumber=None, SliceThickness="2.50000000000000000000")
    assert open_dicom(folder).read().array.dtype == np.int16
    assert find_series(folder)[0].uid == uid
    assert said == []
    assert capfd.readouterr() == ("", "")


def test_what_is_no_dicom_is_passed_over(tmp_path, said):
    folder = write_series(tmp_path / "ct")
    (folder / "labels.csv").write_text("slice,infection\n")
    (folder / "LICENSE").write_bytes(b"")
    (folder / "DICOMDIR").write_bytes(bytes(128) + b"DICM")
    (folder / ".hidden.dcm").write_bytes(bytes(128) + b"DICM")
    (folder / "more").mkdir()
    save(header((0, 0, 0), Modality="SR", Rows=None), folder / "report.dcm", STORED[0])
    assert open_dicom(folder).source.shape == (8, 6, 5)
    assert said == []


def test_damaged_files_are_named(tmp_path, said):
    folder = write_series(tmp_path / "ct")
    (folder / "empty.dcm").write_bytes(b"")
    (folder / "cut.dcm").write_bytes((folder / "a.dcm").read_bytes()[:400])
    assert open_dicom(folder).source.shape == (8, 6, 5)
    assert len(said) == 1
    assert "damaged" in said[0]
    assert "cut.dcm, empty.dcm" in said[0]


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian])
@pytest.mark.parametrize("start", [128, 132], ids=["no suffix", "no preamble"])
def test_files_without_suffix_or_preamble(tmp_path, syntax, start):
    folder = write_series(tmp_path / "ct")
    for path in list(folder.iterdir()):
        dataset = pydicom.dcmread(path)
        dataset.file_meta.TransferSyntaxUID = syntax
        dataset.save_as(path, implicit_vr=syntax == ImplicitVRLittleEndian, little_endian=True)
        content = path.read_bytes()
        path.with_suffix("").write_bytes(content if start == 128 else content[132:])
        path.unlink()
    assert is_dicom(folder)
    assert all(map(is_dicom, folder.iterdir()))
    np.testing.assert_array_equal(open_dicom(folder).read().restore(), STORED.transpose(2, 1, 0))


def test_other_files_and_folders_are_not_dicom(tmp_path):
    (tmp_path / "a.nii").write_bytes(bytes(352))
    (tmp_path / "DICOMDIR").write_bytes(bytes(128) + b"DICM")
    (tmp_path / ".a.dcm").write_bytes(bytes(128) + b"DICM")
    write_series(tmp_path / "below")
    assert not any(map(is_dicom, (tmp_path, tmp_path / "a.nii", tmp_path / "DICOMDIR", tmp_path / "absent.dcm")))


def test_a_huge_folder_is_not_searched_whole(tmp_path, monkeypatch):
    for index in range(200):
        (tmp_path / f"{index}.txt").write_bytes(b"text")
    opened = []
    monkeypatch.setattr("data_io.dicom_series._starts_like_dicom", opened.append)
    assert not is_dicom(tmp_path)
    assert len(opened) == 64


@pytest.fixture
def two_series(tmp_path):
    folder = write_series(tmp_path / "ct", uid="1.2.3", SeriesDescription="Thorax B31f")
    return write_series(folder, (0, 1, 2), "xyz", uid="1.2.44", SeriesNumber=7, SeriesDescription="Thorax B70f")


def test_the_largest_series_is_read_and_said(two_series, said):
    assert [len(one.files) for one in find_series(two_series)] == [5, 3]
    assert open_dicom(two_series).source.shape == (8, 6, 5)
    assert len(said) == 1
    assert '"Thorax B31f" (CT, slices: 5' in said[0]
    assert '7 "Thorax B70f" (CT, slices: 3' in said[0]


def test_a_way_out_that_only_predict_has_is_called_so(two_series, said):
    open_dicom(two_series)
    assert "copy its slices to a folder of their own or give" in said[0]
    assert said[0].endswith("`pneumoseg predict --series`")
    with pytest.raises(InputError, match=r"export the series again \(`pneumoseg predict --allow-gaps` reads"):
        open_dicom(write_series(two_series, (20,), "f"))


@pytest.mark.parametrize("wanted", ["1.2.44", "7", 7, "b70", "2.44"])
def test_a_series_is_chosen(two_series, said, wanted):
    assert choose_series(two_series, wanted).uid == "1.2.44"
    assert open_dicom(two_series, series=wanted).source.spacing_mm[2] == pytest.approx(1)
    assert said == []


@pytest.mark.parametrize(("wanted", "fits"), [("Thorax", 2), ("1.2.5", "none"), ("", "none")])
def test_a_series_that_is_absent_or_ambiguous_is_refused(two_series, wanted, fits):
    with pytest.raises(InputError, match=rf"ct: '{wanted}' must name one series .* fits {fits} of: .*B31f.*; 7 .*B70f"):
        open_dicom(two_series, series=wanted)


def test_a_plain_ct_is_preferred_to_more_pictures(tmp_path, said):
    folder = write_series(tmp_path / "ct", uid="1.2.3")
    for index in range(6):
        dose = header((0, 0, index), uid="1.2.5", SamplesPerPixel=3, PhotometricInterpretation="RGB", SeriesNumber=9)
        save(dose, folder / f"rgb{index}.dcm", STORED[:3])
    assert open_dicom(folder).source.shape == (8, 6, 5)
    assert "not 9" in said[0]


def test_a_localizer_of_the_same_series_is_dropped(tmp_path, said):
    folder = write_series(tmp_path / "ct")
    save(header((0, 0, 0), CORONAL, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"]), folder / "0.dcm", STORED[0])
    assert open_dicom(folder).source.shape == (8, 6, 5)
    assert len(said) == 1
    assert "localizer (scout) images: 0.dcm" in said[0]


def test_other_orientations_of_one_uid_fall_apart(tmp_path, said):
    folder = write_series(tmp_path / "ct")
    write_series(folder, (0, 3), "xy", orientation=CORONAL)
    assert [len(one.files) for one in find_series(folder)] == [5, 2]
    assert open_dicom(folder, series="1.2.3").source.shape == (8, 6, 5)
    assert "several series" in said[0]


def test_a_gap_is_refused_or_said(tmp_path, said):
    folder = write_series(tmp_path / "ct", (0, 2.5, 7.5, 10, 12.5), "abcde")
    with pytest.raises(
        InputError, match=r"missing: 1 of 4 .* not 2\.50 mm, such as 5\.00 mm from 32\.50 mm \(b\.dcm\)"
    ):
        open_dicom(folder)
    assert said == []
    assert open_dicom(folder, allow_gaps=True).source.spacing_mm[2] == pytest.approx(12.5 / 4)
    assert len(said) == 1
    assert "missing" in said[0]
    assert "3.12 mm apart" in said[0]


@pytest.mark.parametrize(("third", "passes"), [(5.04, True), (5.07, False), (4.93, False)])
def test_spacing_may_jitter_by_a_twentieth_of_a_millimetre(tmp_path, third, passes):
    folder = write_series(tmp_path / "ct", (0, 2.5, third, third + 2.5, third + 5))
    if passes:
        assert open_dicom(folder).source.spacing_mm[2] == pytest.approx((third + 5) / 4)
        return
    with pytest.raises(InputError, match=r"ct: .*unevenly spaced: 1 of 4"):
        open_dicom(folder)


def test_jitter_grows_with_the_spacing(tmp_path):
    assert open_dicom(write_series(tmp_path / "ct", (0, 10, 20.09, 30.09, 40.09))).source.shape[2] == 5
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
    affine = open_dicom(folder).source.affine
    np.testing.assert_allclose(affine[:3, 2], (0, -2.5 * np.tan(np.radians(degrees)), 2.5), atol=1e-5)
    np.testing.assert_allclose(affine[:3, :2], [[-0.8, 0], [0, -0.7], [0, 0]])
    assert ["tilted by 12.0 degrees" in line for line in said] == ([True] if degrees == 12 else [])


@pytest.mark.parametrize(
    ("values", "spacing"),
    [({"SpacingBetweenSlices": 4}, 4), ({}, 2.5), ({"SliceThickness": None}, 1), ({"SliceThickness": "0"}, 1)],
)
def test_one_slice_is_read_and_said(tmp_path, said, values, spacing):
    path = save(header((1, 2, 3), **values), tmp_path / "a.dcm", STORED[2])
    scan = open_dicom(path)
    np.testing.assert_array_equal(scan.read().restore(), STORED[2:3].transpose(2, 1, 0))
    np.testing.assert_allclose(scan.source.affine[:3, 2:], [[0, -1], [0, -2], [spacing, 3]])
    assert "a single slice" in said[0]


def test_each_slice_has_its_own_rescale(tmp_path):
    folder = write_series(tmp_path / "ct", RescaleSlope=(1, 2, 3, 4, 5), RescaleIntercept=(-1024, 0, 1, -5, 7))
    array = open_dicom(folder).read().restore()
    slopes, intercepts = np.array([1, 2, 3, 4, 5]), np.array([-1024, 0, 1, -5, 7])
    assert array.dtype == np.int16
    np.testing.assert_array_equal(array, STORED.transpose(2, 1, 0) * slopes + intercepts)


def test_one_fraction_makes_the_whole_scan_float(tmp_path):
    folder = write_series(tmp_path / "ct", RescaleSlope=(1, 1, 0.5, 1, 1), RescaleIntercept=-1024)
    slabs = list(open_dicom(folder).read_stored())
    assert {slab.dtype for slab in slabs} == {np.dtype(np.float32)}
    np.testing.assert_allclose(slabs[0], STORED.transpose(2, 1, 0) * [1, 1, 0.5, 1, 1] - 1024)


def test_unsigned_values_beyond_int16_are_clipped(tmp_path):
    stored = np.full((6, 8), 65535, np.uint16)
    stored[0, 0] = 3
    path = save(header((0, 0, 0), PixelRepresentation=0, RescaleIntercept=-1024), tmp_path / "a.dcm", stored)
    array = open_dicom(path).read().restore()
    assert (array[0, 0, 0], array[1, 0, 0]) == (-1021, 32767)


def test_no_rescale_is_said(tmp_path, said):
    folder = write_series(tmp_path / "ct", RescaleSlope=None, RescaleIntercept=None)
    np.testing.assert_array_equal(open_dicom(folder).read().restore(), STORED.transpose(2, 1, 0))
    assert "in 5 slices" in said[0]


@pytest.mark.parametrize("corner", [True, False])
@pytest.mark.parametrize(("padding", "written"), [(7, 7), (-7, 65529)])
def test_padding_becomes_air_where_it_fills_a_corner(tmp_path, corner, padding, written):
    stored = np.full((6, 8), 50, np.int16)
    stored[2, 3] = padding
    stored[0, 0] = padding if corner else 50
    dataset = header((0, 0, 0))
    dataset.add_new("PixelPaddingValue", "US", written)
    array = open_dicom(save(dataset, tmp_path / "a.dcm", stored)).read().array
    assert np.unique(array).tolist() == ([-1000, 50] if corner else [padding, 50])


@pytest.mark.parametrize("rescale", [{}, {"RescaleSlope": None, "RescaleIntercept": None}], ids=["of 0", "absent"])
@pytest.mark.parametrize("padding", [0, 4095])
def test_unsigned_padding_becomes_0_for_it_cannot_hold_air(tmp_path, padding, rescale):
    stored = np.full((6, 8), 50, np.uint16)
    stored[0, 0] = padding
    dataset = header((0, 0, 0), PixelRepresentation=0, **rescale)
    dataset.add_new("PixelPaddingValue", "US", padding)
    assert np.unique(open_dicom(save(dataset, tmp_path / "a.dcm", stored)).read().array).tolist() == [0, 50]


@pytest.mark.parametrize("written", [-2000, 63536])
def test_padding_below_air_stays(tmp_path, written):
    stored = np.full((6, 8), 24, np.int16)
    stored[0, :] = -2000
    dataset = header((0, 0, 0), RescaleIntercept=-1024)
    dataset.add_new("PixelPaddingValue", "SS" if written < 0 else "US", written)
    assert np.unique(open_dicom(save(dataset, tmp_path / "a.dcm", stored)).read().array).tolist() == [-3024, -1000]


def test_rle_compression(tmp_path):
    folder = write_series(tmp_path / "ct")
    for path in folder.iterdir():
        dataset = pydicom.dcmread(path)
        dataset.compress(RLELossless)
        dataset.save_as(path)
    np.testing.assert_array_equal(open_dicom(folder).read().restore(), STORED.transpose(2, 1, 0))


@pytest.mark.parametrize(("compressor", "syntax"), [("JPEG2000", JPEG2000Lossless), ("JPEG", JPEGLosslessSV1)])
def test_jpeg_compression(tmp_path, compressor, syntax):
    writer = sitk.ImageFileWriter()
    writer.SetImageIO("GDCMImageIO")
    writer.SetCompressor(compressor)
    writer.UseCompressionOn()
    folder = write_series(tmp_path / "ct", RescaleIntercept=-1024)
    for index, name in enumerate(SHUFFLED):
        encoded, path = tmp_path / "encoded.dcm", folder / f"{name}.dcm"
        writer.SetFileName(str(encoded))
        writer.Execute(sitk.GetImageFromArray(STORED[index][None]))
        dataset = pydicom.dcmread(path)
        dataset.PixelData = pydicom.dcmread(encoded).PixelData
        dataset["PixelData"].is_undefined_length = True
        dataset.file_meta.TransferSyntaxUID = syntax
        dataset.save_as(path)
        assert pydicom.dcmread(encoded).file_meta.TransferSyntaxUID == syntax
    np.testing.assert_array_equal(open_dicom(folder).read().restore(), STORED.transpose(2, 1, 0) - 1024)


@pytest.mark.parametrize("sop_class", [None, "1.2.840.10008.5.1.4.1.1.7", "1.2.840.10008.5.1.4.1.1.4"])
def test_rescale_is_applied_whatever_the_class(tmp_path, sop_class):
    """Some archives rewrite CT as secondary capture, or lose the class."""
    dataset = header((0, 0, 0), SOPClassUID=sop_class, RescaleIntercept=-1024, RescaleSlope=2)
    if sop_class:
        dataset.file_meta.MediaStorageSOPClassUID = sop_class
    path = save(dataset, tmp_path / "a.dcm", STORED[0])
    np.testing.assert_array_equal(open_dicom(path).read().restore()[..., 0], STORED[0].T * 2 - 1024)


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


@pytest.mark.parametrize("keep", [0.5, 0.98])
def test_truncated_pixels_are_refused(tmp_path, keep):
    folder = write_series(tmp_path / "ct")
    content = (folder / "e.dcm").read_bytes()
    (folder / "e.dcm").write_bytes(content[: len(content) - int(96 * (1 - keep))])
    scan = open_dicom(folder)
    with pytest.raises(
        InputError, match=r"e\.dcm: the pixels cannot be decoded: .*\(Explicit VR Little Endian\)"
    ) as bad:
        scan.read()
    assert "\n" not in str(bad.value)


def test_no_dicom_is_refused(tmp_path):
    (tmp_path / "a.csv").write_text("a")
    with pytest.raises(InputError, match="holds no DICOM image"):
        open_dicom(tmp_path)
    with pytest.raises(InputError, match=r"a\.csv: is no DICOM image"):
        open_dicom(tmp_path / "a.csv")
    with pytest.raises(InputError, match="no such file or folder"):
        open_dicom(tmp_path / "absent")


def test_patients_are_never_named(two_series, said):
    open_dicom(write_series(two_series, (0, 5, 20), "xyz", uid="1.2.44"), "1.2.44", allow_gaps=True)
    assert said
    assert NEVER not in "".join(said) + repr(find_series(two_series))


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
    monkeypatch.setattr("data_io.dicom.slab_thickness", lambda shape, itemsize: 3)
    folder: Path = real_data / "dicom" / name
    scan = open_dicom(folder)
    assert scan.source.shape == shape
    assert scan.source.spacing_mm == pytest.approx(spacing)
    assert scan.source.affine[2, 3] == pytest.approx(lowest)
    files = find_series(folder)[0].files[:3]
    image = simpleitk_of(files)
    np.testing.assert_array_equal(next(scan.read_stored()), sitk.GetArrayFromImage(image).T)
    for corner in ((0, 0, 0), (511, 0, 2), (0, 511, 1)):
        left, back, up = image.TransformIndexToPhysicalPoint(corner)
        np.testing.assert_allclose((scan.source.affine @ (*corner, 1))[:3], (-left, -back, up), atol=1e-4)
    assert said == []
