"""The series that results refer to: its headers and UIDs."""

import numpy as np
import pytest

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.dicom.results.source import source_of
from pneumoseg.data_io.formats.dicom.uids import is_valid_uid
from pneumoseg.data_io.volumes.volume import Grid
from tests.data_io.formats.dicom.results.series_with_mask import INSTANCES, series


def test_headers_come_in_the_order_of_the_slices(tmp_path):
    source = source_of(series(tmp_path / "ct").stored_grid)
    assert [header.SOPInstanceUID for header in source.headers] == list(INSTANCES)
    assert [position[2] for position in source.positions_mm] == [30, 32.5, 35, 37.5, 40]
    assert source.assigned == ()
    assert source.headers[0].PatientName == "Doe^Jane"


@pytest.mark.parametrize("thickness", [None, "", "0", ["1", "2"]])
def test_slices_without_thickness_get_their_step(tmp_path, thickness):
    source = source_of(series(tmp_path / "ct", SliceThickness=thickness).stored_grid)
    assert source.headers[0].SliceThickness == 2.5


@pytest.mark.filterwarnings("ignore:Invalid value for VR")
@pytest.mark.parametrize(
    ("name", "value"),
    [("StudyDate", "00000000"), ("StudyTime", "12:30:00"), ("PatientBirthDate", "1990"), ("PatientSex", "W")],
)
def test_values_that_no_new_file_may_have_are_left_empty(tmp_path, caplog, name, value):
    source = source_of(series(tmp_path / "ct", **{name: value}).stored_grid)
    assert not source.headers[0][name].value
    assert f"results leave {name} empty, as the value is invalid" in caplog.text
    assert source.headers[0].PatientID == "p"


def test_numbers_that_are_none_are_left_empty(tmp_path, caplog):
    grid = series(tmp_path / "ct", PatientWeight="70.5").stored_grid
    for file in (tmp_path / "ct").iterdir():
        file.write_bytes(file.read_bytes().replace(b"70.5", b"70,5"))
    source = source_of(grid)
    assert "PatientWeight" not in source.headers[0]
    assert "results leave PatientWeight empty" in caplog.text


def test_names_of_any_character_set_become_utf_8(tmp_path):
    name = "Yamada^Tarou=\u5c71\u7530^\u592a\u90ce"
    values = {"SpecificCharacterSet": ["", "ISO 2022 IR 87"], "PatientName": name}
    (header, *_) = source_of(series(tmp_path / "ct", **values).stored_grid).headers
    assert header.SpecificCharacterSet == "ISO_IR 192"
    assert header.PatientName == name


def test_another_format_has_no_series():
    with pytest.raises(InputError, match=r"DICOM series, found a CT of another format; write the mask as nii\.gz"):
        source_of(Grid((2, 2, 2), np.eye(4)))


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"SOPInstanceUID": None}, "SOPInstanceUID is missing"),
        ({"SOPInstanceUID": "1.2.3"}, "SOPInstanceUID is missing, invalid or not unique"),
        ({"StudyInstanceUID": "09bc8aea-ff9c-4106-8514-294cbcf9a082"}, "StudyInstanceUID is missing, invalid"),
        ({"FrameOfReferenceUID": None, "StudyInstanceUID": ""}, "StudyInstanceUID, FrameOfReferenceUID is missing"),
    ],
)
@pytest.mark.filterwarnings("ignore:Invalid value for VR UI")
def test_uids_that_are_missing_are_refused_or_assigned(tmp_path, values, named):
    grid = series(tmp_path / "ct", **values).stored_grid
    with pytest.raises(InputError, match=named) as error:
        source_of(grid)
    assert error.value.options == ("assign_uids",)
    first, second = (source_of(grid, assign_uids=True) for _ in range(2))
    assert first.assigned
    for one, other in zip(first.headers, second.headers, strict=True):
        for name in ("SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID", "FrameOfReferenceUID"):
            assert is_valid_uid(one[name].value)
            assert one[name].value == other[name].value
    assert len({one.SOPInstanceUID for one in first.headers}) == 5
    assert len({(one.StudyInstanceUID, one.FrameOfReferenceUID) for one in first.headers}) == 1


def test_assigned_uids_depend_on_the_pixels(tmp_path):
    from tests.data_io.formats.dicom.dicom_files import STORED, header, save

    one = source_of(series(tmp_path / "one", SOPInstanceUID=None).stored_grid, assign_uids=True)
    series(tmp_path / "two", SOPInstanceUID=None)
    changed = header(
        (-100, -80, 30), SOPInstanceUID=None, StudyInstanceUID="1.2.4", PatientID="p", PatientName="Doe^Jane"
    )
    changed.FrameOfReferenceUID = "1.2.5"
    save(changed, tmp_path / "two" / "c.dcm", STORED[0] + 1)
    from pneumoseg.data_io.formats.dicom.ct import open_dicom

    two = source_of(open_dicom(tmp_path / "two").stored_grid, assign_uids=True)
    assert one.digest != two.digest
    assert one.headers[0].SOPInstanceUID != two.headers[0].SOPInstanceUID


def test_slices_of_two_studies_are_refused(tmp_path):
    grid = series(tmp_path / "ct", StudyInstanceUID=("1.2.4", "1.2.4", "1.2.6", "1.2.4", "1.2.4")).stored_grid
    with pytest.raises(InputError, match=r"are of one study \(StudyInstanceUID\), found 2; sort them"):
        source_of(grid)


def test_a_slice_that_is_gone_is_named(tmp_path):
    grid = series(tmp_path / "ct").stored_grid
    (tmp_path / "ct" / "a.dcm").unlink()
    with pytest.raises(InputError, match=r"a\.dcm: the slice cannot be read any more"):
        source_of(grid)
