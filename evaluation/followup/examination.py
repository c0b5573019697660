"""One date of a patient: the CT, the mask of its lungs and infection, and what each voting network alone finds."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from pneumoseg.data_io.console import log, warnings_of_this_thread
from pneumoseg.data_io.datasets.inputs import find_inputs
from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.declared_labels import names_beside
from pneumoseg.data_io.formats.dicom.ct import choose_series
from pneumoseg.data_io.formats.dicom.references import on_series
from pneumoseg.data_io.formats.dicom.series import is_dicom
from pneumoseg.data_io.formats.nifti_placement import GridForm
from pneumoseg.data_io.formats.pictures import is_picture
from pneumoseg.data_io.formats.reading import open_scan, read_labels
from pneumoseg.data_io.volumes.hounsfield import is_hu
from pneumoseg.data_io.volumes.labels import LUNG_LABELS
from pneumoseg.data_io.volumes.volume import Volume, on_grid_of
from pneumoseg.evaluation.followup.regions import LEFT, RIGHT, RegionVolume

DATES = ("baseline", "follow-up")
MOST_CLASS_NUMBERS = 16
"""A file of whole numbers of 0..255 with at most so many different ones is a mask, not a CT."""


@dataclass(frozen=True, eq=False)
class Examination:
    """One date, `date` of `DATES`: `mask` with the classes of `LUNG_LABELS`, None until the CT is segmented; `image` on
    the same grid, None for a mask alone. `patient` (a hash) and `study_date` are "" where the file does not say so.
    `voters`: the volumes of each voting network alone."""

    date: str
    mask: Volume | None
    image: Volume | None
    patient: str = field(default="", repr=False)
    study_date: str = field(default="", repr=False)
    voters: tuple[dict[str, RegionVolume], ...] = ()

    @property
    def lungs(self) -> Volume:
        """The mask, once there is one. Raises InputError where it has no lung."""
        if self.mask is None:
            raise ValueError(f"{self.date}: not segmented yet")
        if not np.isin(self.mask.array, (LEFT, RIGHT)).any():
            raise InputError(
                f"{self.date}: the mask must have voxels of a lung (labels {LEFT} and {RIGHT}), found none; is this a "
                "CT of the chest, and the right mask?"
            )
        return self.mask

    @property
    def has_hu(self) -> bool:
        """Whether there is a CT in HU."""
        return self.image is not None and is_hu(float(self.image.array.min()), float(self.image.array.max()))


def read_examination(path: Path, mask: Path | None, date: str, *, grid: GridForm = "sform") -> Examination:
    """Reads a CT in any format, with its mask where that is given, or a mask alone, recognised by its class numbers.

    `path`: a file, a folder with the slices of a DICOM series, or one that holds a single CT, such as a dataset's case.
    `grid`: which form of NIfTI headers counts. Raises InputError where a file is missing or bad, where both files are
    masks, and where mask and CT differ in place or shape.
    """
    for file in filter(None, (path, mask)):
        if not file.exists():
            raise InputError(f"{file}: no such file or folder")
        if is_picture(file):
            raise InputError(f"{file}: a follow-up compares volumes, found a picture; give CTs or masks of CTs")
    if path.is_dir() and not is_dicom(path):
        path = _only_input(path)
    image = open_scan(path, grid=grid).read()
    if image.array.ndim > 3:
        raise InputError(f"{path}: a CT has one value a voxel, found {image.array.shape[3]} channels; give a CT")
    if holds_class_numbers(image.array):
        if mask is not None:
            raise InputError(f"{path}: a CT belongs to the mask {mask.name}, found a mask (class numbers); give its CT")
        return Examination(date, _read_mask(path, grid), None)
    patient, study_date = _patient_and_date(path)
    labels = None
    if mask is not None:
        given = on_series(_read_mask(mask, grid), image)
        labels = on_grid_of(image, given, f"CT and mask of the {date}")
    return Examination(date, labels, image, patient, study_date)


def holds_class_numbers(array: np.ndarray) -> bool:
    """Whether an array (x, y, z) is a mask: whole numbers of 0..255, few of them different. CTs reach below 0, or have
    hundreds of grey values.

    >>> holds_class_numbers(np.array([0, 1, 3])), holds_class_numbers(np.array([-1000, 0, 40]))
    (True, False)
    """
    low, high = float(array.min()), float(array.max())
    if low < 0 or high > 255:
        return False
    present = np.unique(array[:, :, : max(1, array.shape[2] // 8)]) if array.ndim == 3 else np.unique(array)
    if present.size > MOST_CLASS_NUMBERS:  # of most CTs a few slices tell
        return False
    present = np.unique(array)
    return present.size <= MOST_CLASS_NUMBERS and bool((present == np.rint(present)).all())


def check_one_patient(baseline: Examination, follow_up: Examination) -> None:
    """Raises InputError where the headers name two patients, or the baseline is of a later day than the follow-up.

    Only DICOM says so; neither identity nor date is in the message.
    """
    if baseline.patient and follow_up.patient and baseline.patient != follow_up.patient:
        raise InputError(
            "baseline and follow-up must be of one patient, found two values of PatientID in the DICOM headers; give "
            "two CTs of one patient (of one that has two numbers, convert both CTs to NIfTI first)"
        )
    if baseline.study_date and follow_up.study_date and baseline.study_date > follow_up.study_date:
        raise InputError(
            "the baseline must be the earlier CT, but its StudyDate is after that of the follow-up; exchange the two "
            "inputs"
        )


def ct_pair(follow_up: Examination, baseline: Examination) -> tuple[Volume, Volume] | None:
    """Both CTs, the follow-up's first, where both dates have one in HU; else None, with a warning where one has not."""
    if follow_up.image is None or baseline.image is None:
        return None
    if not (follow_up.has_hu and baseline.has_hu):
        log.warning("a CT is not in HU: the lungs are registered by the masks alone")
        return None
    return follow_up.image, baseline.image


def _read_mask(path: Path, grid: GridForm) -> Volume:
    return read_labels(path, LUNG_LABELS, label_names=names_beside(path.parent), grid=grid)


def _only_input(folder: Path) -> Path:
    files = list(find_inputs([folder]).values())
    if len(files) > 1:
        raise InputError(
            f"{folder}: one date is one CT, found {len(files)}, such as {files[0].name} and {files[1].name}; give one"
        )
    return files[0]


def _patient_and_date(path: Path) -> tuple[str, str]:
    if not is_dicom(path):
        return "", ""
    with warnings_of_this_thread(hold_back=True):  # reading the CT has given them already
        first = choose_series(path).slices[0]
    return first.patient, first.study_date
