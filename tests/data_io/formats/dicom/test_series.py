"""Which files of a folder are DICOM, and which of its series is read."""

import warnings

import numpy as np
import pydicom
import pytest
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.dicom.ct import choose_series, open_dicom
from pneumoseg.data_io.formats.dicom.series import find_series, is_dicom
from pneumoseg.data_io.formats.reading import is_readable, read_volume
from pneumoseg.data_io.public_text import public
from tests.data_io.formats.dicom.dicom_files import CORONAL, NEVER, STORED, header, save, write_series


def test_folder_and_file_read_through_the_registry(tmp_path, said):
    folder = write_series(tmp_path / "ct")
    assert is_readable(folder)
    assert is_readable(folder / "a.dcm")
    assert read_volume(folder).array.shape == (8, 6, 5)
    np.testing.assert_array_equal(read_volume(folder / "a.dcm").restore()[..., 0], STORED[1].T)


@pytest.mark.parametrize("uid", ["", "not-a-uid", "09bc8aea-ff9c-4106-8514-294cbcf9a082"])
def test_invalid_uids_and_values_read_without_a_word(tmp_path, said, capfd, uid):
    folder = tmp_path / "ct"
    with warnings.catch_warnings(), pydicom.config.disable_value_validation():
        warnings.simplefilter("ignore")
        write_series(folder, uid=uid, SOPInstanceUID="", SeriesNumber=None, SliceThickness="2.50000000000000000000")
    assert open_dicom(folder).read().array.dtype == np.int16
    assert find_series(folder)[0].uid == uid
    assert said.messages == []
    assert capfd.readouterr() == ("", "")


def test_what_is_no_dicom_is_skipped(tmp_path, said):
    folder = write_series(tmp_path / "ct")
    (folder / "labels.csv").write_text("slice,infection\n")
    (folder / "LICENSE").write_bytes(b"")
    (folder / "DICOMDIR").write_bytes(bytes(128) + b"DICM")
    (folder / ".hidden.dcm").write_bytes(bytes(128) + b"DICM")
    (folder / "more").mkdir()
    save(header((0, 0, 0), Modality="SR", Rows=None), folder / "report.dcm", STORED[0])
    assert open_dicom(folder).stored_grid.shape == (8, 6, 5)
    assert said.messages == []


def test_damaged_files_are_named(tmp_path, said):
    folder = write_series(tmp_path / "ct")
    (folder / "empty.dcm").write_bytes(b"")
    (folder / "cut.dcm").write_bytes((folder / "a.dcm").read_bytes()[:400])
    assert open_dicom(folder).stored_grid.shape == (8, 6, 5)
    assert len(said.messages) == 1
    assert "damaged" in said.messages[0]
    assert "cut.dcm, empty.dcm" in said.messages[0]


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
    monkeypatch.setattr("pneumoseg.data_io.formats.dicom.series.starts_like_dicom", opened.append)
    assert not is_dicom(tmp_path)
    assert len(opened) == 64


@pytest.fixture
def two_series(tmp_path):
    folder = write_series(tmp_path / "ct", uid="1.2.3", SeriesDescription="Thorax B31f")
    return write_series(folder, (0, 1, 2), "xyz", uid="1.2.44", SeriesNumber=7, SeriesDescription="Thorax B70f")


def test_the_largest_series_is_read_and_said(two_series, said):
    assert [len(one.files) for one in find_series(two_series)] == [5, 3]
    assert open_dicom(two_series).stored_grid.shape == (8, 6, 5)
    assert len(said.messages) == 1
    assert 'reading series 1 (CT, slices: 5 of 8 x 6) ["Thorax B31f", UID 1.2.3]' in said.messages[0]
    assert 'not 7 (CT, slices: 3 of 8 x 6) ["Thorax B70f", UID 1.2.44]' in said.messages[0]
    assert "Thorax" not in public(said.records[0])
    assert "1.2." not in public(said.records[0])


def test_a_way_out_that_only_predict_has_is_called_so(two_series, said):
    open_dicom(two_series)
    assert "copy its slices to a folder of their own or, to predict, name it" in said.messages[0]
    assert said.messages[0].endswith("by UID, number or description (series)")
    with pytest.raises(InputError, match=r"export the series again \(a prediction that allows gaps reads") as error:
        open_dicom(write_series(two_series, (20,), "f"))
    assert error.value.options == ("allow_gaps",)


@pytest.mark.parametrize("wanted", ["1.2.44", "7", 7, "b70", "2.44"])
def test_a_series_is_chosen(two_series, said, wanted):
    assert choose_series(two_series, wanted).uid == "1.2.44"
    assert open_dicom(two_series, series=wanted).stored_grid.spacing_mm[2] == pytest.approx(1)
    assert said.messages == []


@pytest.mark.parametrize(("wanted", "fits"), [("Thorax", 2), ("1.2.5", "none"), ("", "none")])
def test_a_series_that_is_absent_or_ambiguous_is_refused(two_series, said, wanted, fits):
    with pytest.raises(
        InputError, match=rf"ct: '{wanted}' must name one series .* fits {fits} of: 1 \(.*, 7 \("
    ) as bad:
        open_dicom(two_series, series=wanted)
    assert "B31f" not in str(bad.value)
    assert '7 (CT, slices: 3 of 8 x 6) "Thorax B70f", UID 1.2.44' in said.messages[0]
    assert "B70f" not in public(said.records[0])


def test_a_plain_ct_is_preferred_to_more_pictures(tmp_path, said):
    folder = write_series(tmp_path / "ct", uid="1.2.3")
    for index in range(6):
        dose = header((0, 0, index), uid="1.2.5", SamplesPerPixel=3, PhotometricInterpretation="RGB", SeriesNumber=9)
        save(dose, folder / f"rgb{index}.dcm", STORED[:3])
    assert open_dicom(folder).stored_grid.shape == (8, 6, 5)
    assert "not 9" in said.messages[0]


def test_a_localizer_of_the_same_series_is_dropped(tmp_path, said):
    folder = write_series(tmp_path / "ct")
    save(header((0, 0, 0), CORONAL, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"]), folder / "0.dcm", STORED[0])
    assert open_dicom(folder).stored_grid.shape == (8, 6, 5)
    assert len(said.messages) == 1
    assert "localizer (scout) images: 0.dcm" in said.messages[0]


def test_other_orientations_of_one_uid_fall_apart(tmp_path, said):
    folder = write_series(tmp_path / "ct")
    write_series(folder, (0, 3), "xy", orientation=CORONAL)
    assert [len(one.files) for one in find_series(folder)] == [5, 2]
    assert open_dicom(folder, series="1.2.3").stored_grid.shape == (8, 6, 5)
    assert "several series" in said.messages[0]


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
    assert said.messages
    assert NEVER not in "".join(said.messages) + repr(find_series(two_series))
