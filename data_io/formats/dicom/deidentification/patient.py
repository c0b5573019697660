"""Whose file it is, and of which study and series, also where IDs and UIDs are missing."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pneumoseg.data_io.formats.dicom.deidentification.raw_values import read_text
from pneumoseg.data_io.formats.dicom.uids import is_valid_uid

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

STUDY_UID, SERIES_UID = 0x0020000D, 0x0020000E
PATIENT_ID, ISSUER, PATIENT_NAME, BIRTH_DATE = 0x00100020, 0x00100021, 0x00100010, 0x00100030
OF_STUDY = (0x00080020, 0x00080030, 0x00080050, 0x00200010)  # StudyDate, StudyTime, AccessionNumber, StudyID
OF_SERIES = (0x00080060, 0x0008103E, 0x00200011, 0x00200037, 0x00280010, 0x00280011)
PLACEHOLDERS = frozenset(
    {
        *("", "0", "00000000", "anon", "anonymized", "anonymised", "anonymous", "n/a", "na", "no id", "none", "null"),
        *("patient", "removed", "test", "unknown", "xxx", "anonymous^patient", "patient^anonymous"),
    }
)


@dataclass(frozen=True)
class FileIdentity:
    """Parts that tell patients, studies and series apart: the same in every file of one, others in others."""

    patient: tuple[str, ...] = field(repr=False)
    study: tuple[str, ...] = field(repr=False)
    series: tuple[str, ...] = field(repr=False)


def file_identity(dataset: "Dataset", place: str) -> FileIdentity:
    """A patient is known by PatientID and its issuer; where that is missing or a placeholder, by name and birth date;
    then by the study's UID; else by `place`, the file's folder. So patients without an ID do not become one."""
    study_uid = read_text(dataset, STUDY_UID)
    number, name = read_text(dataset, PATIENT_ID), read_text(dataset, PATIENT_NAME)
    if number.lower() not in PLACEHOLDERS:
        patient: tuple[str, ...] = ("id", number, read_text(dataset, ISSUER))
    elif name.strip("^ ").lower() not in PLACEHOLDERS:
        patient = ("name", name, read_text(dataset, BIRTH_DATE))
    elif is_valid_uid(study_uid):
        patient = ("study", study_uid)
    else:
        patient = ("place", place)
    of_study = tuple(read_text(dataset, tag) for tag in OF_STUDY)
    study = ("study", study_uid) if study_uid else ("study", *patient, *of_study, "" if any(of_study) else place)
    series = ("series", *study, place, *(read_text(dataset, tag) for tag in OF_SERIES))
    return FileIdentity(patient, study, series)
