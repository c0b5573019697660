"""CT volumes as classic DICOM series, one file a slice, as a scanner exports them: for tests and demonstrations.

The patient lies on the table in one of the positions of DICOM (head or feet first; supine, prone, on the left or right
side). Pictures stay fixed to the scanner, so their rows and columns turn with the patient; the anatomy keeps its place
in patient coordinates. UIDs depend on what is written alone.
"""

import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import nibabel as nib
import numpy as np
from scipy.ndimage import map_coordinates

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.dicom.uids import uid_from
from pneumoseg.data_io.storage.atomic import folder_aside
from pneumoseg.data_io.volumes.volume import LPS_TO_RAS, Volume

if TYPE_CHECKING:
    from pydicom.dataset import FileDataset

PatientPosition = Literal["HFS", "HFP", "HFDL", "HFDR", "FFS", "FFP", "FFDL", "FFDR"]
SliceOrientation = Literal["axial", "coronal", "sagittal"]

DOWN = {"S": "P", "P": "A", "DL": "L", "DR": "R"}
"""Which side of the patient faces the table: the direction in which rows of a slice count up."""

REFORMATTED = {"coronal": "LI", "sagittal": "PI"}
"""The directions in which columns and rows count up, whatever the position on the table."""

LEFT, BACK, UP = np.eye(3)
DIRECTIONS = {"L": LEFT, "R": -LEFT, "P": BACK, "A": -BACK, "S": UP, "I": -UP}
"""Of each letter, in LPS."""

POSITIONS = typing.get_args(PatientPosition)

INTERCEPT = -1024
LARGEST_TILT_DEGREES = 45
MOST_SLICES = 99_999


@dataclass(frozen=True, eq=False)
class _Stack:
    """Stored slices: `array` (column, row, slice), `affine` from its indices to LPS millimetres."""

    array: np.ndarray
    affine: np.ndarray
    tilt_degrees: float = 0.0

    @property
    def slice_affine(self) -> np.ndarray:
        """`affine` of the slices as they are written: rows lean over by the tilt, about the middle row."""
        tilt, (row, step) = np.radians(self.tilt_degrees), self.affine[:3, 1:3].T
        leaning = row * np.cos(tilt) + step / np.linalg.norm(step) * np.linalg.norm(row) * np.sin(tilt)
        affine = self.affine.copy()
        affine[:3, 1] = leaning
        affine[:3, 3] += (self.array.shape[1] - 1) / 2 * (row - leaning)
        return affine

    def plane(self, index: int) -> np.ndarray:
        """The values (row, column) of one slice, between voxels where it is tilted; air where there are none."""
        if not self.tilt_degrees:
            return self.array[:, :, index].T
        columns, rows = np.meshgrid(*map(np.arange, self.array.shape[:2]))
        places = np.stack([columns.ravel(), rows.ravel(), np.full(columns.size, index), np.ones(columns.size)])
        among = np.linalg.solve(self.affine, self.slice_affine @ places)[:3]
        values = map_coordinates(self.array, among, np.float64, order=1, mode="constant", cval=INTERCEPT)
        return values.reshape(columns.shape)


def write_series(
    folder: str | Path,
    volume: Volume,
    *,
    patient_position: PatientPosition = "HFS",
    orientation: SliceOrientation = "axial",
    reversed_order: bool = False,
    tilt_degrees: float = 0.0,
    table_mm: float = 0.0,
    signed: bool = True,
    seed: int = 0,
    patient_id: str = "phantom",
    study: int = 1,
    series: int = 1,
    elements: Mapping[str, object] | None = None,
) -> Path:
    """Writes a CT in HU as a series of CT Image Storage, `folder/IM00001.dcm` and so on, and returns `folder`.

    Slices are planes of the volume's RAS+ array, so that reading them gives the same voxels in the same patient
    coordinates. Axial ones are turned as `patient_position` says, others as is usual for reformatted images. They are
    numbered along columns' direction x rows' direction, with `reversed_order` the other way. `tilt_degrees`: rows
    lean towards the slices' direction as with a tilted gantry; values are then interpolated. `table_mm` moves the
    patient coordinates up by so much, as another zero of the table does. Pixels are int16 or, not `signed`, uint16,
    with RescaleIntercept -1024; values beyond them are clipped.

    `patient_id`, `study` and `series` tell patients, studies and series apart; the UIDs depend on them, on `seed`, the
    options and the pixels. `elements`: further attributes by DICOM keyword, in place of those that are written by
    default. Needs memory for one slice beside the volume.

    Raises InputError for a folder that is not empty, several channels, more than 99,999 slices, sizes beyond 65,535, a
    grid whose axes are not perpendicular, and a tilt that is not of -45 to 45 degrees or not of axial slices.
    """
    folder = Path(folder)
    _check(folder, volume, tilt_degrees, orientation)
    stack = _stack(volume, _directions(patient_position, orientation), tilt_degrees, table_mm)
    if max(stack.array.shape[:2]) > np.iinfo(np.uint16).max or stack.array.shape[2] > MOST_SLICES:
        raise InputError(
            f"a DICOM series has at most {MOST_SLICES} slices of 65535 x 65535 here, found {stack.array.shape}"
        )
    of_study = ("phantom", f"{seed}", patient_id, f"{study}")
    options = (series, patient_position, orientation, reversed_order, tilt_degrees, table_mm, signed, volume.grid.shape)
    place = f"{options} {volume.grid.affine.tolist()}"
    uids = {
        "StudyInstanceUID": uid_from("study", *of_study),
        "FrameOfReferenceUID": uid_from("frame of reference", *of_study, f"{table_mm}"),
        "SeriesInstanceUID": uid_from("series", *of_study, place),
    }
    with folder_aside(folder) as aside:
        made = aside / folder.name
        made.mkdir()
        header = _header(stack, uids, patient_id=patient_id, study=study, series=series, signed=signed)
        header.PatientPosition = patient_position
        if orientation != "axial":
            header.ImageType = ["DERIVED", "SECONDARY", "MPR"]
        for keyword, value in (elements or {}).items():
            setattr(header, keyword, value)
        for number, index in _numbered(stack.array.shape[2], reversed_order):
            _write_slice(made / f"IM{number:05d}.dcm", header, stack, index=index, number=number)
        if folder.exists():
            folder.rmdir()
        made.rename(folder)
    return folder


def _check(folder: Path, volume: Volume, tilt_degrees: float, orientation: SliceOrientation) -> None:
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise InputError(f"{folder}: a DICOM series is written to a new or empty folder; choose another name")
    if volume.array.ndim != 3:
        raise InputError(f"a CT has one channel, found shape {volume.array.shape}; give one channel")
    if volume.grid.largest_cosine > 1e-6:
        raise InputError("the axes of a volume must be perpendicular to be written as DICOM slices; resample it")
    if abs(tilt_degrees) > LARGEST_TILT_DEGREES or (tilt_degrees and orientation != "axial"):
        raise InputError(
            f"a gantry is tilted by -{LARGEST_TILT_DEGREES} to {LARGEST_TILT_DEGREES} degrees, and its slices are "
            f"axial, found {tilt_degrees:g} degrees and {orientation}; set it to 0"
        )


def _directions(position: PatientPosition, orientation: SliceOrientation) -> np.ndarray:
    """The directions (LPS) in which columns, rows and slices count up, as rows of a matrix."""
    if orientation != "axial":
        along, down = (DIRECTIONS[code] for code in REFORMATTED[orientation])
        return np.array([along, down, np.cross(along, down)])
    # Seen from the foot of the table, whose far end the head or the feet enter first.
    down, normal = DIRECTIONS[DOWN[position[2:]]], DIRECTIONS["S" if position[0] == "H" else "I"]
    return np.array([np.cross(down, normal), down, normal])


def _stack(volume: Volume, directions: np.ndarray, tilt_degrees: float, table_mm: float) -> _Stack:
    """The volume's voxels along `directions` of its own axes (a view)."""
    turn = nib.io_orientation(nib.affines.from_matvec(LPS_TO_RAS @ directions.T))
    turn = nib.orientations.ornt_transform(np.array([[0, 1], [1, 1], [2, 1]]), turn)
    array = nib.orientations.apply_orientation(volume.array, turn)
    affine = volume.grid.affine @ nib.orientations.inv_ornt_aff(turn, volume.grid.shape)
    affine = nib.affines.from_matvec(LPS_TO_RAS) @ affine
    affine[2, 3] += table_mm
    return _Stack(array, affine, tilt_degrees)


def _numbered(count: int, reversed_order: bool) -> Iterator[tuple[int, int]]:
    """InstanceNumber and index of each slice."""
    order = range(count - 1, -1, -1) if reversed_order else range(count)
    return enumerate(order, start=1)


def _header(
    stack: _Stack, uids: Mapping[str, str], *, patient_id: str, study: int, series: int, signed: bool
) -> "FileDataset":
    """What all slices share: the attributes of the CT Image IOD (PS3.3 A.3) that need a value or their presence."""
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

    meta = FileMetaDataset()
    meta.TransferSyntaxUID, meta.MediaStorageSOPClassUID = ExplicitVRLittleEndian, CTImageStorage
    header = FileDataset("", {}, preamble=b"\0" * 128, file_meta=meta)
    affine = stack.slice_affine
    spacing_mm = np.linalg.norm(affine[:3, :3], axis=0)
    shared = {
        "SpecificCharacterSet": "ISO_IR 192",
        "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"],
        "SOPClassUID": CTImageStorage,
        **dict.fromkeys(("StudyDate", "SeriesDate", "AcquisitionDate", "ContentDate"), "20200101"),
        **dict.fromkeys(("StudyTime", "SeriesTime", "AcquisitionTime", "ContentTime"), "120000"),
        "AccessionNumber": f"{study}",
        "Modality": "CT",
        "Manufacturer": "pneumoseg",
        "ReferringPhysicianName": "",
        "StudyDescription": "Generated chest CT",
        "SeriesDescription": "Thorax",
        "ManufacturerModelName": "phantom",
        "PatientName": f"{patient_id}^Generated",
        "PatientID": patient_id,
        "PatientBirthDate": "",
        "PatientSex": "O",
        "BodyPartExamined": "CHEST",
        "SliceThickness": _decimal(spacing_mm[2]),
        "KVP": "120",
        "DeviceSerialNumber": "1",
        "SoftwareVersions": "1",
        "GantryDetectorTilt": _decimal(stack.tilt_degrees),
        "ConvolutionKernel": "B40f",
        "StudyID": f"{study}",
        "SeriesNumber": series,
        "AcquisitionNumber": 1,
        "ImageOrientationPatient": list(map(_decimal, (affine[:3, :2] / spacing_mm[:2]).T.ravel())),
        "PositionReferenceIndicator": "",
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "Rows": stack.array.shape[1],
        "Columns": stack.array.shape[0],
        "PixelSpacing": [_decimal(spacing_mm[1]), _decimal(spacing_mm[0])],
        "BitsAllocated": 16,
        "BitsStored": 16,
        "HighBit": 15,
        "PixelRepresentation": int(signed),
        "WindowCenter": "-600",
        "WindowWidth": "1500",
        "RescaleIntercept": f"{INTERCEPT}",
        "RescaleSlope": "1",
        "RescaleType": "HU",
    }
    for keyword, value in {**shared, **uids}.items():
        setattr(header, keyword, value)
    return header


def _write_slice(path: Path, header: "FileDataset", stack: _Stack, *, index: int, number: int) -> None:
    """Writes one slice; `header` is used again for the next one."""
    from pydicom.uid import UID

    affine = stack.slice_affine
    position = affine[:3, 3] + index * affine[:3, 2]
    normal = np.cross(affine[:3, 0], affine[:3, 1])
    dtype = np.dtype("<i2" if header.PixelRepresentation else "<u2")
    limits = np.iinfo(dtype)
    stored = np.rint(stack.plane(index).astype(np.float64) - INTERCEPT)
    pixels = np.clip(stored, limits.min, limits.max).astype(dtype).tobytes()
    header.InstanceNumber = number
    header.ImagePositionPatient = list(map(_decimal, position))
    header.SliceLocation = _decimal(position @ normal / np.linalg.norm(normal))
    header.PixelData = pixels
    uid = UID(uid_from("image", header.SeriesInstanceUID, str(number), pixels))
    header.SOPInstanceUID = header.file_meta.MediaStorageSOPInstanceUID = uid
    header.save_as(path, enforce_file_format=True)


def _decimal(value: float) -> str:
    """A number as DICOM writes it: at most 16 characters."""
    from pydicom.valuerep import format_number_as_ds

    return format_number_as_ds(float(value) + 0.0)
