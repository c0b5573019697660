"""References that are uploaded for masks: which class each voxel has, on the grid of the mask."""

import shutil
from dataclasses import replace
from pathlib import Path

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.dicom.deidentification.key_file import Key
from pneumoseg.data_io.formats.dicom.references import OfSeries, on_series
from pneumoseg.data_io.formats.dicom.series import Series
from pneumoseg.data_io.formats.reading import open_scan, read_labels
from pneumoseg.data_io.storage.json_files import read_json
from pneumoseg.data_io.volumes.labels import LabelTable
from pneumoseg.data_io.volumes.volume import Volume, on_grid_of
from pneumoseg.evaluation.jobs.content import PICTURES, SUFFIXES, VOLUMES, UnknownContentError, form_of
from pneumoseg.evaluation.jobs.results import MASK, PICTURE_MASK

SEGMENTS = b"Segment0_"
HEADER_BYTES = 1 << 16


def read_pair(
    upload: Path, parent: Path, source: Path, *, work: Path, key: Key | None
) -> tuple[Volume, Volume, LabelTable]:
    """The reference in the folder `upload` on the grid of the mask in `parent`, that mask, and their classes.

    `parent`: the results of a segmentation of `source`; `work`: a folder for what is made on the way; `key`: with which
    the UIDs of a CT in DICOM were replaced, None where they stayed. Raises InputError for a reference that is no mask
    of these classes, lies on another grid, or is a segmentation of another series.
    """
    table = _classes(parent / "labels.json")
    reference_file = _reference(upload, work)
    is_picture = (parent / PICTURE_MASK).is_file()
    if is_picture != (reference_file.suffix in (SUFFIXES[form] for form in PICTURES)):
        kind = "a picture" if is_picture else "a volume"
        raise InputError(f"the reference of {kind} is {kind} of the same size, found another kind of file")
    prediction = read_labels(parent / (PICTURE_MASK if is_picture else MASK), table)
    reference = read_labels(reference_file, table)
    if reference_file.suffix == SUFFIXES["dicom"]:
        image = open_scan(source).read()
        reference = on_series(_of_stored_series(reference, image, key), image)
    return on_grid_of(prediction, reference, "mask and reference"), prediction, table


def _reference(upload: Path, work: Path) -> Path:
    """The uploaded reference under a name that says its form."""
    files = sorted(upload.iterdir())
    if len(files) != 1 or not files[0].stat().st_size:
        raise InputError(f"a reference is one file with content, found {len(files)}")
    (file,) = files
    form = form_of(file)
    if form not in (*VOLUMES, *PICTURES, "dicom"):
        raise UnknownContentError(
            "a reference is a mask as NIfTI, NRRD, MetaImage or DICOM segmentation, or as PNG for a picture, found "
            "another kind of file"
        )
    suffix = SUFFIXES[form]
    if form == "nrrd" and SEGMENTS in _start(file):
        suffix = ".seg.nrrd"
    named = work / f"reference{suffix}"
    shutil.copyfile(file, named)
    return named


def _of_stored_series(reference: Volume, image: Volume, key: Key | None) -> Volume:
    """A segmentation of the series that was uploaded as one of the series as it is stored here, by its UID."""
    of, series = reference.stored_grid.placement, image.stored_grid.placement
    same = isinstance(of, OfSeries) and isinstance(series, Series) and of.uid == series.uid
    if key is None or same or not isinstance(of, OfSeries) or not of.uid:
        return reference
    grid = replace(reference.stored_grid, placement=OfSeries(key.uid(of.uid)))
    return replace(reference, stored_grid=grid)


def _start(file: Path) -> bytes:
    with open(file, "rb") as content:
        return content.read(HEADER_BYTES)


def _classes(path: Path) -> LabelTable:
    rows = read_json(path, "the classes of a mask", list)
    colours = [tuple(map(int, row["colour"])) for row in rows]
    return LabelTable(tuple(row["name"] for row in rows), tuple((red, green, blue) for red, green, blue in colours))
