"""The files that jobs make: their names, and what people and browsers are told of them."""

from collections.abc import Mapping
from pathlib import Path

from pneumoseg.data_io.storage.atomic import write_json
from pneumoseg.data_io.volumes.labels import LabelTable
from pneumoseg.evaluation.jobs.job import ResultFile

GZIP, DICOM, PNG, JSON, CSV = "application/gzip", "application/dicom", "image/png", "application/json", "text/csv"

MASK, PICTURE_MASK = "mask.nii.gz", "mask.png"

KNOWN: Mapping[str, tuple[str, str]] = {
    MASK: ("Mask (NIfTI)", GZIP),
    PICTURE_MASK: ("Mask", PNG),
    "mask.dcm": ("Mask (DICOM segmentation)", DICOM),
    "measurements.dcm": ("Measurements (DICOM structured report)", DICOM),
    "image.nii.gz": ("CT (NIfTI)", GZIP),
    "image.png": ("Picture", PNG),
    "reference.nii.gz": ("Reference on the grid of the mask (NIfTI)", GZIP),
    "errors.nii.gz": ("Errors of the mask (NIfTI)", GZIP),
    "change.nii.gz": ("Change of the infection (NIfTI)", GZIP),
    "baseline.nii.gz": ("Baseline, moved onto the follow-up (NIfTI)", GZIP),
    "follow-up.nii.gz": ("Follow-up (NIfTI)", GZIP),
    "preview.png": ("Preview", PNG),
    "side-by-side.png": ("Picture beside its masks", PNG),
    "figure.png": ("Change, slice by slice", PNG),
    "severity.json": ("Severity", JSON),
    "trust.json": ("Trust in the mask", JSON),
    "statistics.json": ("Volumes and densities", JSON),
    "scores.json": ("Scores of the mask", JSON),
    "change.json": ("Change in numbers", JSON),
    "change.csv": ("Change as a table", CSV),
    "labels.json": ("Classes and colours", JSON),
    "manifest.json": ("How the mask was made", JSON),
}
"""Title and media type of each file, in the order in which they are listed."""


def listed_results(folder: Path) -> list[ResultFile]:
    """The known files in a folder; what else is there is not listed."""
    paths = {name: folder / name for name in KNOWN}
    return [
        ResultFile(name, KNOWN[name][0], KNOWN[name][1], path.stat().st_size)
        for name, path in paths.items()
        if path.is_file()
    ]


def write_classes(path: Path, table: LabelTable) -> None:
    """Writes number, name and colour (RGB, 0..255) of each class of a label map."""
    pairs = enumerate(zip(table.names, table.colours, strict=True))
    write_json(path, [{"number": number, "name": name, "colour": list(rgb)} for number, (name, rgb) in pairs])
