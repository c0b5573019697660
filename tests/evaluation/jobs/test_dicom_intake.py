"""The one series among DICOM files; refusals are in test_intake.py."""

import shutil

import pytest
from pydicom import dcmread

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.dicom.deidentification.key_file import fresh_key
from pneumoseg.data_io.phantoms.dicom_series import write_series
from pneumoseg.evaluation.jobs.dicom_intake import take_series
from tests.evaluation.jobs.uploads import patient


def test_slices_of_several_folders_are_one_series_in_their_order(tmp_path):
    series = write_series(tmp_path / "s", patient(), patient_id="Sylvia", reversed_order=True)
    (tmp_path / "t").mkdir()
    files = sorted(series.iterdir())
    for file in files[::2]:
        shutil.move(file, tmp_path / "t" / file.name)
    given = [*sorted((tmp_path / "t").iterdir()), *sorted(series.iterdir())]
    (tmp_path / "work").mkdir()
    take_series(given, tmp_path / "ct", tmp_path / "work", key=fresh_key())
    heights = [dcmread(file).ImagePositionPatient[2] for file in sorted((tmp_path / "ct").iterdir())]
    assert heights == sorted(heights)
    assert len(heights) == 16
    assert all(file.exists() for file in given)  # they are copied, not moved


def test_dates_move_and_keep_their_order(tmp_path):
    key, dates = fresh_key(), []
    for study, day in ((1, "20200110"), (2, "20200120")):
        series = write_series(tmp_path / f"{study}", patient(), study=study, elements={"StudyDate": day})
        (tmp_path / f"work{study}").mkdir()
        take_series(sorted(series.iterdir()), tmp_path / f"ct{study}", tmp_path / f"work{study}", key=key)
        dates.append(dcmread(tmp_path / f"ct{study}/00001.dcm").StudyDate)
    assert dates[0] < dates[1] < "20200101"


def test_a_segmentation_is_a_mask(tmp_path):
    (tmp_path / "0").write_bytes(bytes(128) + b"DICM" + b"1.2.840.10008.5.1.4.1.1.66.4\x02\x00")
    with pytest.raises(InputError, match="found a DICOM segmentation"):
        take_series([tmp_path / "0"], tmp_path / "ct", tmp_path, key=None)
