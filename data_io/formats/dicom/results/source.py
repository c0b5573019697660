"""The CT series that results in DICOM belong to: its headers, in the order of the slices of a mask."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pydicom import dcmread
from pydicom.datadict import dictionary_VR
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.uid import CTImageStorage
from pydicom.valuerep import DA, TM

from pneumoseg.data_io.console import log
from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.content_hash import sha256_of
from pneumoseg.data_io.formats.dicom.header import lenient, value_in
from pneumoseg.data_io.formats.dicom.series import Series
from pneumoseg.data_io.formats.dicom.uids import is_valid_uid, uid_from
from pneumoseg.data_io.volumes.volume import Grid

UIDS = ("SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID", "FrameOfReferenceUID")
PATIENT_AND_STUDY = (
    *("PatientName", "PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientSex", "OtherPatientIDs"),
    *("PatientAge", "PatientSize", "PatientWeight", "PatientIdentityRemoved", "DeidentificationMethod"),
    *("DeidentificationMethodCodeSequence", "LongitudinalTemporalInformationModified", "StudyDate", "StudyTime"),
    *("StudyID", "StudyDescription", "AccessionNumber", "ReferringPhysicianName", "PatientPosition"),
    *("SpecificCharacterSet", "TimezoneOffsetFromUTC", "PositionReferenceIndicator", "Laterality", "BodyPartExamined"),
)
"""What results take over from the CT (PS3.3 C.7.1, C.7.2), of the first slice."""
EMPTY_IF_UNKNOWN = (
    *("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "StudyID"),
    *("AccessionNumber", "ReferringPhysicianName"),
)
"""Attributes that each DICOM file has, be they empty (type 2)."""
GEOMETRY = ("Rows", "Columns", "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness")
UTF_8 = "ISO_IR 192"
SEXES = ("M", "F", "O")
DATES_AND_TIMES = {"DA": DA, "TM": TM}
NAMES = ("SOPClassUID", "SeriesNumber", "InstanceNumber", "Modality", "ImageType")


@dataclass(frozen=True, eq=False)
class Source:
    """A CT series as the ground of results.

    `headers`: of its slices, without pixels, in the order of the grid's slices; `positions_mm`: of their first pixels
    (LPS); `assigned`: the names of the UIDs that are not those of the files, as these have no valid ones; `digest`:
    SHA-256 of the files' content.
    """

    headers: tuple[Dataset, ...]
    positions_mm: tuple[tuple[float, ...], ...]
    assigned: tuple[str, ...]
    digest: str


def source_of(grid: Grid, *, assign_uids: bool = False) -> Source:
    """The series that the stored grid of a CT was read from.

    UIDs that are missing or invalid are refused, or with `assign_uids` made from the content of the slices: always the
    same for the same files. Raises InputError where the CT was no DICOM series, a slice is gone, UIDs are refused, or
    the slices are of several studies.
    """
    series = grid.placement
    if not isinstance(series, Series):
        raise InputError(
            "results in DICOM refer to the slices of a DICOM series, found a CT of another format; write the mask as "
            "nii.gz or seg.nrrd",
            options=("mask_format",),
        )
    with lenient():
        return _checked(series, tuple(map(_header, series.files)), assign_uids, step_mm=grid.spacing_mm[2])


def _checked(series: Series, headers: tuple[Dataset, ...], assign_uids: bool, *, step_mm: float) -> Source:
    folder = series.files[0].parent
    if len(studies := {str(one.get("StudyInstanceUID", "")) for one in headers}) > 1:
        raise InputError(
            f"{folder}: the slices of a series are of one study (StudyInstanceUID), found {len(studies)}; sort them"
        )
    wrong = [name for name in UIDS if any(not is_valid_uid(str(one.get(name) or "")) for one in headers)]
    if "SOPInstanceUID" not in wrong and len({one.SOPInstanceUID for one in headers}) < len(headers):
        wrong.append("SOPInstanceUID")
    if wrong and not assign_uids:
        raise InputError(
            f"{folder}: results refer to the slices by their UIDs, but {', '.join(wrong)} is missing, invalid or not "
            "unique; de-identify the series first, which gives it valid ones, or have UIDs assigned",
            options=("assign_uids",),
        )
    if invalid := sorted({name for one in headers for name in PATIENT_AND_STUDY if not _is_usable(one, name)}):
        log.warning("%s: results leave %s empty, as the value is invalid in the CT", folder, ", ".join(invalid))
    contents = [sha256_of(file) for file in series.files]
    digest = hashlib.sha256("".join(contents).encode()).hexdigest()
    completed = tuple(
        _completed(header, wrong, series=digest, instance=content, step_mm=step_mm)
        for header, content in zip(headers, contents, strict=True)
    )
    for one in completed:  # orientations that differ by rounding are read as one
        one.ImageOrientationPatient = completed[0].ImageOrientationPatient
    return Source(completed, tuple(one.position_mm or () for one in series.slices), tuple(wrong), digest)


def _header(file: Path) -> Dataset:
    tags = [*UIDS, *PATIENT_AND_STUDY, *GEOMETRY, *NAMES]
    try:
        return dcmread(file, stop_before_pixels=True, force=True, specific_tags=list(tags))
    except OSError as error:
        raise InputError(
            f"{file}: the slice cannot be read any more ({error.strerror}); copy the series again"
        ) from error


def _completed(header: Dataset, wrong: Iterable[str], *, series: str, instance: str, step_mm: float) -> Dataset:
    """A slice's header, its text in UTF-8, with the UIDs and the thickness that it lacks, and with the attributes that
    any CT image has, empty."""
    whole = Dataset()
    for name in (*EMPTY_IF_UNKNOWN, *UIDS):
        setattr(whole, name, "")
    whole.SOPClassUID, whole.Modality, whole.SliceThickness = CTImageStorage, "CT", round(step_mm, 6)
    for name in (*UIDS, *PATIENT_AND_STUDY, *GEOMETRY, *NAMES):
        value = value_in(header, name)
        if _is_usable(header, name) and not _is_empty(value):
            setattr(whole, name, _one_name(value) if dictionary_VR(name) == "PN" else value)
    whole.SpecificCharacterSet = UTF_8  # values are text here; that of the CT may be one that is not written any more
    for name in wrong:
        given = str(header.get(name) or "")
        if name == "SOPInstanceUID":
            setattr(whole, name, uid_from(name, series, instance))
        elif not is_valid_uid(given):  # text that is no UID still says which slices belong together
            setattr(whole, name, uid_from(name, given or series))
    return whole


def _is_usable(header: Dataset, name: str) -> bool:
    """Whether an attribute has a value that may stand in a new file, or none."""
    value = value_in(header, name)
    if _is_empty(value):
        return True
    if name == "PatientSex":
        return value in SEXES
    if name == "SliceThickness":
        return isinstance(value, float) and value > 0
    kind = dictionary_VR(name)
    try:
        DataElement(name, kind, value)
        return kind not in DATES_AND_TIMES or bool(DATES_AND_TIMES[kind](value))
    except (TypeError, ValueError):
        return False


def _is_empty(value: object) -> bool:
    return value is None or str(value) == ""


def _one_name(value: object) -> str:
    """The name of a person, of several the first."""
    return str(value[0] if isinstance(value, MultiValue) else value)
