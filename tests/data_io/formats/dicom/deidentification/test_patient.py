"""Whose file it is."""

import pydicom
import pytest

from pneumoseg.data_io.formats.dicom.deidentification.patient import file_identity
from tests.data_io.formats.dicom.dicom_files import STORED, header, save


@pytest.fixture
def identity(tmp_path):
    def of(place="folder", **values):
        with pydicom.config.disable_value_validation():
            path = save(header((0, 0, 0), **values), tmp_path / "one", STORED[0])
        return file_identity(pydicom.dcmread(path), place)

    return of


def test_the_id_and_its_issuer_count_first(identity):
    assert identity(PatientID="1234", PatientName="A").patient == identity(PatientID="1234", PatientName="B").patient
    assert identity(PatientID="1234").patient != identity(PatientID="1234", IssuerOfPatientID="X").patient


@pytest.mark.parametrize("placeholder", ["", "0", "ANONYMOUS", "unknown"])
def test_without_an_id_patients_do_not_become_one(identity, placeholder):
    first = identity(PatientID=placeholder, PatientName="Doe^J", PatientBirthDate="19500101")
    assert first.patient == identity(PatientID=placeholder, PatientName="Doe^J", PatientBirthDate="19500101").patient
    assert first.patient != identity(PatientID=placeholder, PatientName="Doe^J", PatientBirthDate="19510101").patient
    nameless = {"PatientID": placeholder, "PatientName": placeholder}
    assert (
        identity(**nameless, StudyInstanceUID="1.2.3").patient != identity(**nameless, StudyInstanceUID="1.2.4").patient
    )
    assert identity("a", **nameless).patient != identity("b", **nameless).patient


def test_studies_and_series_without_uids_are_told_apart_by_what_their_files_share(identity):
    bare = {"uid": "", "StudyInstanceUID": "", "StudyDate": "20200101"}
    assert identity(**bare) == identity(**bare, SOPInstanceUID="1.2.77")
    assert identity(**bare).study != identity(**{**bare, "StudyDate": "20200102"}).study
    assert identity(**bare).series != identity(**bare, SeriesNumber=7).series
