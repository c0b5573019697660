"""Names that files give the labels of masks: segmentations of 3D Slicer and DICOM, NIfTI label tables, nnU-Net's
dataset.json."""

import os
import re
import zlib
from collections.abc import Mapping
from pathlib import Path
from xml.etree import ElementTree

import nibabel as nib
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats import nrrd_header
from pneumoseg.data_io.formats.dicom.recognition import is_segmentation
from pneumoseg.data_io.formats.label_names import Names
from pneumoseg.data_io.formats.nifti import EXTENSION_CARET, is_nifti
from pneumoseg.data_io.formats.nrrd_metaimage import NRRD_SUFFIXES
from pneumoseg.data_io.storage.json_files import read_json

DATASET_JSON = "dataset.json"
NNUNET_MASKS = ("labelsTr", "labelsTs", "gt_segmentations")
NNUNET_KEYS = {"channel_names", "file_ending", "modality", "numTraining"}
SEGMENT = re.compile(r"Segment(\d+)_(Name|LabelValue|Layer)")
REPRESENTATIONS = ("Segmentation_SourceRepresentation", "Segmentation_MasterRepresentation")
MOST_LABELS = 65_536


def names_in(path: Path) -> Names:
    """The names in the file of a mask; none where it has no names.

    Raises InputError for a damaged NRRD header, and for 3D Slicer's segmentations whose segments overlap or are
    fractional. Other files that cannot be read have no names here: their reader raises the error.
    """
    if is_nifti(path):
        return _names_in_nifti(path)
    if path.suffix.lower() in NRRD_SUFFIXES and path.is_file():
        return _names_of_segments(nrrd_header.read_text(path).pairs)
    if is_segmentation(path):
        from pneumoseg.data_io.formats.dicom.segmentation import names_of_segmentation  # imports pydicom

        return names_of_segmentation(path)
    return ()


def names_beside(folder: Path) -> Names:
    """The names in nnU-Net's dataset.json of a folder with masks: in it, or beside a folder called labelsTr. A file of
    that name which is not nnU-Net's does not count."""
    folders = dict.fromkeys(Path(one) for one in (os.path.abspath(folder), os.path.realpath(folder)))
    masks = [one for one in folders if one.name in NNUNET_MASKS]
    places = [*folders, *(one.parent for one in masks)]
    path = next((place / DATASET_JSON for place in places if (place / DATASET_JSON).is_file()), None)
    if path is None:
        return ()
    content = read_dataset_json(path)
    try:
        return names_of_dataset(content, path)
    except InputError:
        if masks or NNUNET_KEYS & content.keys():
            raise
        return ()


def read_dataset_json(path: Path) -> dict:
    """nnU-Net's description of a dataset. Raises InputError as `read_json`."""
    return read_json(path, "nnU-Net's description of a dataset", dict)


def names_of_dataset(content: Mapping[str, object], path: Path) -> Names:
    """The entry "labels" of nnU-Net's dataset.json: {"lung_left": 1} or, in version 1, {"1": "lung_left"}; of a region,
    {"lungs": [1, 2]}. Raises InputError for other entries."""
    labels = content.get("labels")
    if not isinstance(labels, dict):
        return ()
    names = []
    for one, other in labels.items():
        name, numbers = (other, one) if isinstance(other, str) and one.isdecimal() else (one, other)
        given = numbers if isinstance(numbers, list) else [numbers]
        numbers = [number for number in map(_number, given) if number is not None]
        if not numbers or len(numbers) < len(given):
            raise InputError(f'{path}: labels are like "lung_left": 1, found {one!r}: {other!r}')
        names.append((name, tuple(numbers)))
    return tuple(names)


def _number(value: object) -> int | None:
    if isinstance(value, str) and value.strip().isdecimal() and len(value) < len(str(MOST_LABELS)) + 1:
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < MOST_LABELS else None


def _names_of_segments(pairs: Mapping[str, str]) -> Names:
    segments: dict[int, dict[str, str]] = {}
    for key, value in pairs.items():
        if match := SEGMENT.fullmatch(key):
            segments.setdefault(int(match[1]), {})[match[2]] = value.strip()
    if not segments:
        return ()
    if any(pairs.get(key, "").lower().startswith("fractional") for key in REPRESENTATIONS):
        raise InputError("a fractional segmentation holds no labels; export it from 3D Slicer as a binary labelmap")
    layers = {segment.get("Layer", "0") for segment in segments.values()}
    if len(layers) > 1:
        raise InputError(
            f"segments that may overlap, in {len(layers)} layers, are no mask of one label a voxel; export the "
            "segmentation from 3D Slicer as a labelmap"
        )
    names: dict[int, str] = {}
    for number, segment in sorted(segments.items()):
        label = _number(segment.get("LabelValue", "1" if len(segments) == 1 else ""))
        name = segment.get("Name", f"Segment_{number}")
        if label is None:
            raise InputError(f"segment {name} needs a LabelValue of 0 to {MOST_LABELS - 1}; save it again in 3D Slicer")
        if label in names:
            raise InputError(
                f"segments {names[label]} and {name} share the label {label}; give each a label of its own"
            )
        names[label] = name
    return tuple((name, (label,)) for label, name in names.items())


def _names_in_nifti(path: Path) -> Names:
    """The first label table of a Caret extension, which Connectome Workbench and this program write."""
    try:
        image = nib.load(path)
    except (ImageFileError, HeaderDataError, OSError, EOFError, ValueError, zlib.error):  # its reader will tell
        return ()
    if not isinstance(image, nib.Nifti1Image):
        return ()
    extensions = image.header.extensions
    tables = [_content(extension) for extension in extensions if extension.get_code() == EXTENSION_CARET]
    return next((names for names in map(_names_of_caret, tables) if names), ())


def _content(extension: nib.nifti1.Nifti1Extension) -> bytes:
    """Its bytes: versions of nibabel before 5.3 have no property of that name, later ones decode no table."""
    return extension.content if hasattr(extension, "content") else extension.get_content()


def _names_of_caret(content: bytes) -> Names:
    text = content.rstrip(b"\0")
    if b"<!DOCTYPE" in text or b"<!ENTITY" in text:  # no table has these, and they may expand without end
        return ()
    try:
        table = ElementTree.fromstring(text).find("VolumeInformation/LabelTable")
    except ElementTree.ParseError:
        return ()
    rows = () if table is None else table.iter("Label")
    pairs = [(" ".join((row.text or "").split()), _number(row.get("Key"))) for row in rows]
    return tuple((name, (number,)) for name, number in pairs if name and number is not None)
