"""Names of masks' files, and masks to files in the format that the name asks for."""

from pathlib import Path

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.label_arrays import SUFFIX as ARRAY_SUFFIX
from pneumoseg.data_io.formats.label_arrays import write_label_array
from pneumoseg.data_io.formats.label_pictures import SUFFIX as PICTURE_SUFFIX
from pneumoseg.data_io.formats.label_pictures import write_label_picture
from pneumoseg.data_io.formats.nifti import SUFFIXES as NIFTI_SUFFIXES
from pneumoseg.data_io.formats.nifti import write_label_nifti
from pneumoseg.data_io.formats.slicer_seg import SUFFIX as SLICER_SUFFIX
from pneumoseg.data_io.formats.slicer_seg import write_seg_nrrd
from pneumoseg.data_io.volumes.labels import LabelTable
from pneumoseg.data_io.volumes.volume import Volume

DICOM_SUFFIX = ".seg.dcm"
_WRITERS = {
    SLICER_SUFFIX: write_seg_nrrd,
    PICTURE_SUFFIX: write_label_picture,
    ARRAY_SUFFIX: write_label_array,
} | dict.fromkeys(NIFTI_SUFFIXES, write_label_nifti)


def is_label_file(path: str | Path) -> bool:
    """Whether a mask can be written to a file of this name."""
    return _suffix(path) is not None


def is_dicom_segmentation(path: str | Path) -> bool:
    """Whether the name is that of a DICOM segmentation, which is written by `dicom.results`, as it refers to a CT."""
    return Path(path).name.lower().endswith(DICOM_SUFFIX)


def case_name(path: str | Path) -> str:
    """The file's name without folder and without the suffix of its format, such as .seg.nrrd, .nii.gz, .mha or .png."""
    name, suffix = Path(path).name, _suffix(path)
    return name[: -len(suffix)] if suffix else Path(path).stem


def write_labels(path: str | Path, labels: Volume, table: LabelTable) -> None:
    """Writes a mask on its source grid, whole or not at all: .nii.gz, .nii, .seg.nrrd for 3D Slicer, .png
    for a mask of one slice, or .npy.

    Raises InputError for another name, and for more slices than the format holds.
    """
    suffix = _suffix(path)
    if suffix not in _WRITERS:
        raise InputError(f"{path}: a mask is written as {', '.join(sorted(_WRITERS))}; change the name")
    _WRITERS[suffix](path, labels, table)


def _suffix(path: str | Path) -> str | None:
    return next((suffix for suffix in (*_WRITERS, DICOM_SUFFIX) if Path(path).name.lower().endswith(suffix)), None)
