"""Series of generated CTs: the same voxels in the same place whatever the position, valid headers, little memory."""

import shutil
import subprocess
import tracemalloc

import numpy as np
import pytest
import SimpleITK as sitk
from pydicom import dcmread

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.dicom.ct import open_dicom
from pneumoseg.data_io.formats.dicom.uids import is_valid_uid
from pneumoseg.data_io.phantoms.dicom_series import POSITIONS, write_series
from pneumoseg.data_io.phantoms.generate import make_phantom
from pneumoseg.data_io.volumes.volume import Volume

ARRAY = np.random.default_rng(0).integers(-1024, 3000, (7, 6, 5)).astype(np.int16)
AFFINE = np.diag([0.7, 0.8, 2.5, 1.0])
AFFINE[:3, 3] = (-100, -90, 33)
CT = Volume.from_source(ARRAY, AFFINE)


def files_of(folder):
    return sorted(folder.iterdir())


def values_of(folder, keyword):
    return [dcmread(file)[keyword].value for file in files_of(folder)]


@pytest.mark.parametrize("reversed_order", [False, True])
@pytest.mark.parametrize("position", POSITIONS)
def test_the_anatomy_stays_in_place_however_the_patient_lies(tmp_path, position, reversed_order):
    folder = write_series(tmp_path / "ct", CT, patient_position=position, reversed_order=reversed_order)
    read = open_dicom(folder).read()
    np.testing.assert_array_equal(read.array, ARRAY)
    np.testing.assert_allclose(read.grid.affine, AFFINE, atol=1e-9)


@pytest.mark.parametrize(
    ("position", "orientation"),
    [
        ("HFS", [1, 0, 0, 0, 1, 0]),
        ("HFP", [-1, 0, 0, 0, -1, 0]),
        ("FFS", [-1, 0, 0, 0, 1, 0]),
        ("FFP", [1, 0, 0, 0, -1, 0]),
        ("HFDR", [0, 1, 0, -1, 0, 0]),  # the right side down
        ("HFDL", [0, -1, 0, 1, 0, 0]),
    ],
)
def test_rows_and_columns_turn_with_the_patient(tmp_path, position, orientation):
    folder = write_series(tmp_path / "ct", CT, patient_position=position)
    assert values_of(folder, "ImageOrientationPatient")[0] == orientation
    assert set(values_of(folder, "PatientPosition")) == {position}


def test_slices_are_numbered_the_other_way(tmp_path):
    heights = [
        [place[2] for place in values_of(write_series(tmp_path / name, CT, **options), "ImagePositionPatient")]
        for name, options in {"up": {}, "down": {"reversed_order": True}, "feet": {"patient_position": "FFS"}}.items()
    ]
    assert heights[0] == [33, 35.5, 38, 40.5, 43] == heights[1][::-1] == heights[2][::-1]


@pytest.mark.parametrize("orientation", ["coronal", "sagittal"])
def test_reformatted_slices(tmp_path, orientation):
    folder = write_series(tmp_path / "ct", CT, orientation=orientation)
    read = open_dicom(folder).read()
    np.testing.assert_array_equal(read.array, ARRAY)
    np.testing.assert_allclose(read.grid.affine, AFFINE, atol=1e-9)
    assert values_of(folder, "ImageType")[0] == ["DERIVED", "SECONDARY", "MPR"]


def test_oblique_volumes_as_simpleitk_reads_them(tmp_path):
    phantom, _ = make_phantom(3, 0, (20, 18, 16))
    folder = write_series(tmp_path / "ct", phantom, signed=False)
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder)))
    image = reader.Execute()
    read = open_dicom(folder)
    np.testing.assert_array_equal(read.read().restore(), sitk.GetArrayFromImage(image).T)
    last = [size - 1 for size in image.GetSize()]
    left, back, up = image.TransformIndexToPhysicalPoint(last)
    np.testing.assert_allclose((read.stored_grid.affine @ (*last, 1))[:3], (-left, -back, up), atol=1e-4)
    np.testing.assert_allclose(read.grid.affine, phantom.grid.affine, atol=1e-6)


@pytest.mark.parametrize(("signed", "lowest"), [(True, -2000), (False, -1024)])
def test_pixels_and_what_they_cannot_hold(tmp_path, signed, lowest):
    values = np.array([-2000.4, 0.4, 0.6, 40_000]).reshape(4, 1, 1) + np.zeros((4, 3, 1))
    folder = write_series(tmp_path / "ct", Volume.from_source(values, AFFINE), signed=signed)
    (file,) = files_of(folder)
    written = dcmread(file)
    stored = written.pixel_array.astype(int)
    assert written.RescaleIntercept == -1024 and stored.dtype.kind == "i"
    assert np.sort(stored[0] - 1024).tolist() == [lowest, 0, 1, 40_000 if not signed else 32767 - 1024]
    assert stored.min() + 1024 >= 0 or signed


def test_a_tilted_gantry_samples_the_same_anatomy(tmp_path):
    shape = (9, 21, 17)
    affine = np.diag([2.0, 2.0, 3.0, 1.0])
    x, y, z = np.indices(shape) * np.array([2.0, 2.0, 3.0]).reshape(3, 1, 1, 1)
    volume = Volume.from_source(5 * x - 3 * y + 7 * z, affine)
    for position in ("HFS", "FFDL"):
        folder = write_series(tmp_path / position, volume, tilt_degrees=20, patient_position=position)
        read = open_dicom(folder).read()
        assert read.grid.largest_cosine == pytest.approx(np.sin(np.radians(20)))
        places = read.grid.affine @ np.vstack([np.indices(read.array.shape).reshape(3, -1), np.ones(read.array.size)])
        expected = np.array([5, -3, 7]) @ places[:3]
        inside = read.array.ravel() > -1000
        assert 0.6 < inside.mean() < 1
        assert np.abs(read.array.ravel() - expected)[inside].max() <= 0.51
        assert set(values_of(folder, "GantryDetectorTilt")) == {20}


def test_another_zero_of_the_table_is_another_frame_of_reference(tmp_path):
    near, far = write_series(tmp_path / "near", CT), write_series(tmp_path / "far", CT, table_mm=-1500.25)
    moved = open_dicom(far).grid.affine - open_dicom(near).grid.affine
    np.testing.assert_allclose(moved[:3, 3], (0, 0, -1500.25), atol=1e-9)
    assert values_of(near, "FrameOfReferenceUID")[0] != values_of(far, "FrameOfReferenceUID")[0]
    assert values_of(near, "StudyInstanceUID")[0] == values_of(far, "StudyInstanceUID")[0]


def test_uids_are_valid_and_depend_on_what_is_written(tmp_path):
    first, again = write_series(tmp_path / "a", CT), write_series(tmp_path / "b", CT)
    assert [file.read_bytes() for file in files_of(first)] == [file.read_bytes() for file in files_of(again)]
    others = [
        write_series(tmp_path / "c", CT, seed=1),
        write_series(tmp_path / "d", CT, series=2),
        write_series(tmp_path / "e", CT, study=2),
        write_series(tmp_path / "f", CT, patient_id="other"),
    ]
    every = [values_of(folder, "SOPInstanceUID") for folder in (first, *others)]
    assert all(is_valid_uid(uid) for uids in every for uid in uids)
    assert len({uid for uids in every for uid in uids}) == 25
    studies = [values_of(folder, "StudyInstanceUID")[0] for folder in (first, *others)]
    assert studies[0] == studies[2] and len(set(studies)) == 4
    assert len({values_of(folder, "SeriesInstanceUID")[0] for folder in (first, *others)}) == 5


def test_further_elements(tmp_path):
    folder = write_series(tmp_path / "ct", CT, elements={"PatientName": "Jürgen^Groß", "SeriesInstanceUID": "1.2.3"})
    assert str(values_of(folder, "PatientName")[0]) == "Jürgen^Groß"
    assert set(values_of(folder, "SeriesInstanceUID")) == {"1.2.3"}


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dicom3tools are not installed")
@pytest.mark.parametrize("options", [{}, {"patient_position": "FFDR", "signed": False}, {"tilt_degrees": 12}])
def test_dciodvfy_finds_nothing(tmp_path, options):
    folder = write_series(tmp_path / "ct", CT, **options)
    for file in files_of(folder)[:2]:
        done = subprocess.run(["dciodvfy", str(file)], capture_output=True, text=True, check=False)
        assert (done.returncode, (done.stdout + done.stderr).split()) == (0, ["CTImage"])


def test_memory_does_not_grow_with_the_number_of_slices(tmp_path):
    peaks = []
    for count in (50, 200):
        many = Volume.from_source(np.broadcast_to(ARRAY[:, :, :1], (7, 6, count)), AFFINE)
        tracemalloc.start()
        write_series(tmp_path / f"{count}", many)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert len(files_of(tmp_path / "200")) == 200
    assert peaks[1] < peaks[0] + 40_000


def test_refusals(tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    sheared = AFFINE.copy()
    sheared[1, 2] = 1
    too_many = np.broadcast_to(ARRAY[:, :, :1], (7, 6, 100_000))
    for message, arguments, options in (
        ("new or empty folder", (tmp_path / "full", CT), {}),
        ("one channel", (tmp_path / "a", Volume.from_source(np.zeros((4, 4, 4, 3)), AFFINE)), {}),
        ("perpendicular", (tmp_path / "a", Volume.from_source(ARRAY, sheared)), {}),
        ("gantry", (tmp_path / "a", CT), {"tilt_degrees": 50}),
        ("gantry", (tmp_path / "a", CT), {"tilt_degrees": 5, "orientation": "coronal"}),
        ("at most", (tmp_path / "a", Volume.from_source(too_many, AFFINE)), {}),
    ):
        with pytest.raises(InputError, match=message):
            write_series(*arguments, **options)
    assert not (tmp_path / "a").exists()
    (tmp_path / "empty").mkdir()
    assert len(files_of(write_series(tmp_path / "empty", CT))) == 5
