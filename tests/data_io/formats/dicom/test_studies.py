"""Patients, studies and series, by UIDs and where these are missing."""

import tracemalloc

import numpy as np
import pydicom
import pytest

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.dicom.studies import find_studies
from pneumoseg.data_io.formats.dicom.uids import uid_from
from pneumoseg.data_io.phantoms.dicom_series import write_series as write_phantom
from pneumoseg.data_io.volumes.volume import Volume
from tests.data_io.formats.dicom.dicom_files import CORONAL, STORED, header, save, write_series

SOP = tuple(uid_from("image", f"{number}") for number in range(5))


def numbers(folder):
    """Patient, study, order and number of files of each series, by the name of its first folder."""
    found = find_studies(folder).series
    return [(one.folders[0].as_posix(), one.patient, one.study, one.order, len(one.series.slices)) for one in found]


def placed(folder, uid, study, **values):
    with pydicom.config.disable_value_validation():
        folder.parent.mkdir(parents=True, exist_ok=True)
        return write_series(folder, uid=uid, StudyInstanceUID=study, **values)


def test_uids_rule_wherever_the_files_lie(tmp_path):
    placed(tmp_path / "a" / "1", "1.2.3.1", "1.2.1", SOPInstanceUID=SOP, PatientID="one", SeriesNumber=2)
    placed(tmp_path / "a" / "2", "1.2.3.2", "1.2.1", PatientID="one", SeriesNumber=1)
    placed(tmp_path / "b", "1.2.3.1", "1.2.1", PatientID="one", heights=(12.5, 15), SeriesNumber=2)
    placed(tmp_path / "c", "1.2.3.3", "1.2.2", PatientID="one")
    placed(tmp_path / "d", "1.2.3.4", "1.2.4", PatientID="two")
    assert numbers(tmp_path) == [
        ("a/2", 1, 1, 1, 5),
        ("a/1", 1, 1, 2, 7),
        ("c", 1, 2, 1, 5),
        ("d", 2, 3, 1, 5),
    ]
    assert [place.as_posix() for place in find_studies(tmp_path).series[1].folders] == ["a/1", "b"]


def test_studies_are_numbered_by_date(tmp_path):
    placed(tmp_path / "a", "1.2.3.1", "1.2.1", PatientID="one", StudyDate="20210101")
    placed(tmp_path / "b", "1.2.3.2", "1.2.2", PatientID="one", StudyDate="20200101")
    assert [place for place, *_ in numbers(tmp_path)] == ["b", "a"]


def test_one_study_uid_of_two_patients_is_two_studies(tmp_path):
    placed(tmp_path / "a", "1.2.3.1", "1.2.1", PatientID="one")
    placed(tmp_path / "b", "1.2.3.1", "1.2.1", PatientID="two")
    assert [found[1:3] for found in numbers(tmp_path)] == [(1, 1), (2, 2)]


def test_without_patient_id_each_study_is_a_patient(tmp_path):
    placed(tmp_path / "a", "1.2.3.1", "1.2.1", PatientID="")
    placed(tmp_path / "b", "1.2.3.2", "1.2.2", PatientID=None)
    placed(tmp_path / "c", "1.2.3.3", "1.2.2", PatientID="")
    assert [found[:4] for found in numbers(tmp_path)] == [("a", 1, 1, 1), ("b", 2, 2, 1), ("c", 2, 2, 2)]


@pytest.mark.filterwarnings("ignore:Invalid value for VR UI")
@pytest.mark.parametrize("uid", ["", None, "0", "removed"])
def test_without_uids_headers_and_folders_tell_series_apart(tmp_path, uid):
    placed(tmp_path / "a", uid, uid, SOPInstanceUID=uid, PatientID="one")
    placed(tmp_path / "b", uid, uid, SOPInstanceUID=uid, PatientID="one")
    placed(tmp_path / "c", uid, uid, SOPInstanceUID=uid, ConvolutionKernel=("B40f", "B40f", "B60f", "B60f", "B60f"))
    assert numbers(tmp_path) == [("a", 1, 1, 1, 5), ("b", 1, 2, 1, 5), ("c", 2, 3, 1, 2), ("c", 2, 3, 2, 3)] or uid
    found = find_studies(tmp_path).series
    assert len(found) == 4 and not any(one.valid_uids for one in found)


def test_without_any_id_a_date_joins_nothing(tmp_path):
    for name in ("a", "b"):
        placed(tmp_path / name, "", "", PatientID="", StudyDate="20200101")
    placed(tmp_path / "c", "", "", PatientID="one", StudyDate="20200101")
    placed(tmp_path / "d", "", "", PatientID="one", StudyDate="20200101")
    assert [found[:3] for found in numbers(tmp_path)] == [("a", 1, 1), ("b", 2, 2), ("c", 3, 3), ("d", 3, 3)]


@pytest.mark.filterwarnings("ignore:Invalid value for VR UI")
def test_a_uuid_in_place_of_a_uid_identifies(tmp_path):
    uuid = "09bc8aea-ff9c-4106-8514-294cbcf9a082"
    placed(tmp_path / "a", uuid, uuid, heights=(0, 2.5, 5))
    placed(tmp_path / "b", uuid, uuid, heights=(7.5, 10))
    assert [found[4] for found in numbers(tmp_path)] == [5]


def test_copies_are_left_out_but_not_slices_that_share_a_uid(tmp_path):
    placed(tmp_path / "a", "1.2.3", "1.2.1", SOPInstanceUID="1.2.9")  # all slices have one UID
    placed(tmp_path / "b", "1.2.3", "1.2.1", SOPInstanceUID="1.2.9")
    (one,) = find_studies(tmp_path).series
    assert (len(one.series.slices), one.copies, one.folders[0].as_posix()) == (5, 5, "a")
    assert one.valid_uids


def test_localizers_planes_and_objects(tmp_path):
    folder = placed(tmp_path / "a", "1.2.3", "1.2.1", SeriesNumber=1)
    scout = {"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}
    for name, values in {"l": scout, "k": {}}.items():
        one = header((0, 0, 0), CORONAL, StudyInstanceUID="1.2.1", SOPInstanceUID=uid_from(name), **values)
        save(one, folder / f"{name}.dcm", STORED[0])
    placed(tmp_path / "b", "1.2.4", "1.2.1", SeriesNumber=0, **scout)
    plan = header((0, 0, 0), uid="1.2.5", StudyInstanceUID="1.2.1", Modality="RTSTRUCT", SeriesNumber=9, Rows=None)
    plan.save_as(tmp_path / "plan.dcm", enforce_file_format=True)
    found = find_studies(tmp_path).series
    told = [(one.series.modality, len(one.series.slices), one.has_images, one.localizers) for one in found]
    assert told == [("CT", 5, False, 5), ("CT", 5, True, 1), ("CT", 1, True, 0), ("RTSTRUCT", 1, False, 0)]


def test_what_the_headers_say_most_often(tmp_path):
    placed(
        tmp_path / "a", "1.2.3", "1.2.1", ConvolutionKernel=("B40f", "B60f", "B40f", "B40f", "B7"), PatientID="Smith"
    )
    (one,) = find_studies(tmp_path).series
    assert one.values["ConvolutionKernel"] == "B40f"
    assert one.values["SliceThickness"] == "2.5"
    assert one.ids["PatientID"] == "Smith"
    assert "Smith" not in repr(one)


def test_refusals(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "list").mkdir()
    (tmp_path / "list" / "DICOMDIR").write_bytes(b"\0" * 128 + b"DICM")
    (tmp_path / "text").mkdir()
    (tmp_path / "text" / "a.txt").write_text("no DICOM")
    (tmp_path / "text" / "b.dcm").touch()
    for name, message in (
        ("nothing", "a folder or zip archive of DICOM files is needed, found nothing"),
        ("text/a.txt", "found a file"),
        ("empty", "no readable DICOM file, found no files"),
        ("list", "a DICOMDIR lists the files of a medium, but the files themselves were not found"),
        ("text", "found 1 empty files, 1 files that are no DICOM"),
    ):
        with pytest.raises(InputError, match=message):
            find_studies(tmp_path / name)


def test_a_tree_that_is_removed_while_it_is_read(tmp_path, monkeypatch):
    placed(tmp_path / "a", "1.2.3", "1.2.1")

    def removed(file, keywords):
        for one in (tmp_path / "a").iterdir():
            one.unlink()
        raise InputError("gone")

    monkeypatch.setattr("pneumoseg.data_io.formats.dicom.study_files.read_slice_with", removed)
    with pytest.raises(InputError, match="the folder was removed while it was read"):
        find_studies(tmp_path)


def test_skipped_files_are_counted_with_examples(tmp_path):
    placed(tmp_path / "a", "1.2.3", "1.2.1")
    for number in range(5):
        (tmp_path / f"{number}.txt").write_text("no DICOM")
    found = find_studies(tmp_path)
    assert found.skipped == {"files that are no DICOM": 5}
    assert [path.name for path in found.examples["files that are no DICOM"]] == ["0.txt", "1.txt", "2.txt"]


def test_a_file_costs_two_kilobytes(tmp_path):
    count = 300
    ct = Volume.from_source(np.broadcast_to(np.zeros((64, 64, 1), np.int16), (64, 64, count)), np.eye(4))
    write_phantom(tmp_path / "ct", ct)
    find_studies(tmp_path)  # imports
    tracemalloc.start()
    found = find_studies(tmp_path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(found.series[0].series.slices) == count
    assert peak < count * 3000 + 100_000  # its pixels are 8 kB a file


def test_a_real_series_without_valid_uids(real_data):
    (one,) = find_studies(real_data / "dicom" / "covid_ct_md_P002").series
    assert (len(one.series.slices), one.valid_uids, one.values["ConvolutionKernel"]) == (133, False, "D40s")
