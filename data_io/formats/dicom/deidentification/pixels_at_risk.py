"""Which objects are held back because their pixels or their content may show who the patient is."""

from typing import TYPE_CHECKING

from pneumoseg.data_io.formats.dicom.deidentification.raw_values import read_bytes, read_text, tags_of

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

RELEASABLE = {
    "burned-in": "annotation is burned into the pixels (0028,0301)",
    "features": "the pixels show recognisable features (0028,0302)",
    "secondary-capture": "a picture of a screen or page (secondary capture)",
    "overlays": "overlay planes within the pixels (60xx,0102)",
    "report": "a structured report or key object selection",
    "presentation-state": "a presentation state",
    "other-modality": "an image of another modality than CT",
    "other-object": "no image (plan, structure set, waveform, raw data, registration)",
}
"""Kinds of objects that are held back unless `Options.release` names them, and why."""

DOCUMENT = "an encapsulated document, which cannot be de-identified"
NO_PIXELS = "an image without pixels"

STORAGE = "1.2.840.10008.5.1.4.1.1."
CT_CLASSES = frozenset(STORAGE + end for end in ("2", "2.1", "2.2"))  # classic, Enhanced, Legacy Converted Enhanced
SEGMENTATIONS = frozenset(STORAGE + end for end in ("66.4", "66.7"))  # made from images, of voxels alone
SECONDARY_CAPTURES = (f"{STORAGE}7", f"{STORAGE}7.1", f"{STORAGE}7.2", f"{STORAGE}7.3", f"{STORAGE}7.4")
SCREEN_WORDS = ("SCREEN", "DOSE REPORT", "PATIENT PROTOCOL", "DOSE_INFO", "DOSEREPORT")
GREY = ("MONOCHROME1", "MONOCHROME2", "")
FUNCTIONAL_GROUPS, CONTENT = 0x52009229, 0x0040A730
BURNED_IN, FEATURES, CONVERSION = 0x00280301, 0x00280302, 0x00080064
IMAGE_TYPE, SERIES_DESCRIPTION, PHOTOMETRIC = 0x00080008, 0x0008103E, 0x00280004


def kind_at_risk(dataset: "Dataset", sop_class: str) -> str | None:
    """The kind of `RELEASABLE` (or DOCUMENT) that a data set belongs to; None for a plain CT or a segmentation."""
    if read_text(dataset, BURNED_IN) == "YES":
        return "burned-in"
    if read_text(dataset, FEATURES) == "YES":
        return "features"
    if kind := _kind_of_class(sop_class):
        return kind
    if sop_class in SEGMENTATIONS:
        return None
    if _is_capture(dataset):
        return "secondary-capture"
    return "overlays" if _has_overlay_in_pixels(dataset) else None


def is_enhanced(dataset: "Dataset") -> bool:
    """Whether it is a multi-frame object with functional groups, or a report: there more attributes are mandatory."""
    return FUNCTIONAL_GROUPS in dataset or CONTENT in dataset


def _kind_of_class(sop_class: str) -> str | None:
    if sop_class in CT_CLASSES or sop_class in SEGMENTATIONS:
        return None
    end = sop_class.removeprefix(STORAGE) if sop_class.startswith(STORAGE) else ""
    if end.startswith("104."):
        return DOCUMENT
    if sop_class in SECONDARY_CAPTURES:
        return "secondary-capture"
    for prefix, kind in (("88.", "report"), ("11.", "presentation-state")):
        if end.startswith(prefix):
            return kind
    first = end.partition(".")[0]
    is_image = first in ("1", "3", "4", "6", "12", "13", "14", "20", "30", "77", "128", "130")
    return "other-modality" if is_image else "other-object"


def _is_capture(dataset: "Dataset") -> bool:
    words = f"{read_text(dataset, IMAGE_TYPE)} {read_text(dataset, SERIES_DESCRIPTION)}".upper()
    colour = read_text(dataset, PHOTOMETRIC).upper() not in GREY
    return colour or CONVERSION in dataset or any(word in words for word in SCREEN_WORDS)


def _has_overlay_in_pixels(dataset: "Dataset") -> bool:
    """Whether bits of PixelData beside those of the image hold an overlay (retired): it goes with the pixels."""
    positions = (tag for tag in tags_of(dataset) if tag >> 24 == 0x60 and tag & 0xFFFF == 0x0102)
    return any(read_bytes(dataset, tag).strip(b"\0") for tag in positions)
