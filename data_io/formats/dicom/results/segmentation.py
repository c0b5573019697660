"""Masks as DICOM segmentations (PS3.3 A.51): written with highdicom, read back before they get their name."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import highdicom as hd
import numpy as np
from pydicom.uid import ExplicitVRLittleEndian, JPEGLSLossless

from pneumoseg.data_io.formats.dicom.header import lenient
from pneumoseg.data_io.formats.dicom.results.origin import Origin
from pneumoseg.data_io.formats.dicom.results.round_trip import check_segmentation
from pneumoseg.data_io.formats.dicom.results.source import Source
from pneumoseg.data_io.formats.dicom.segmentation_frames import segments_of
from pneumoseg.data_io.formats.segment_codes import Code, SegmentCode, code_of
from pneumoseg.data_io.storage.atomic import write_aside
from pneumoseg.data_io.volumes.labels import LabelTable
from pneumoseg.data_io.volumes.volume import Volume

Encoding = Literal["binary", "labelmap"]
ALGORITHM_FAMILY = hd.sr.CodedConcept("123109", "DCM", "Artificial Intelligence")


def write_segmentation(
    path: str | Path,
    labels: Volume,
    table: LabelTable,
    *,
    source: Source,
    origin: Origin,
    encoding: Encoding = "binary",
) -> None:
    """Writes a mask on the grid of its CT as a DICOM segmentation, whole or not at all.

    One segment for each class of `table` but the background, absent ones too; a frame for each slice of the CT, to
    which it refers. "binary": one bit a voxel and segment, which every viewer of segmentations shows; "labelmap":
    class numbers, losslessly compressed (JPEG-LS), a tenth of the size or less. Raises UnfaithfulFile where what was
    written is not the mask (see `round_trip`).
    """
    with lenient():
        segmentation = _segmentation(labels, table, source, origin=origin, encoding=encoding)
        with write_aside(path) as aside:
            segmentation.save_as(aside)
            del segmentation
            check_segmentation(aside, labels, table, source=source)


def _segmentation(
    labels: Volume, table: LabelTable, source: Source, *, origin: Origin, encoding: Encoding
) -> hd.seg.Segmentation:
    segmentation = hd.seg.Segmentation(
        source_images=source.headers,
        pixel_array=np.ascontiguousarray(labels.restore().transpose(2, 1, 0), np.uint8),
        segmentation_type=encoding.upper(),
        segment_descriptions=list(_descriptions(table, source, origin)),
        content_label="LUNGS",
        content_description="Lungs and COVID-19 infection, for research",
        content_creator_name="pneumoseg^",
        transfer_syntax_uid=JPEGLSLossless if encoding == "labelmap" else ExplicitVRLittleEndian,
        omit_empty_frames=False,
        **origin.equipment(source, "segmentation"),
    )
    for description, name in zip(segments_of(segmentation), table.names[1:], strict=True):
        _modify(description, code_of(name))
    return segmentation


def concept(code: Code) -> hd.sr.CodedConcept:
    """A code as highdicom has it."""
    return hd.sr.CodedConcept(code.value, code.scheme, code.meaning)


def tracking_uid(source: Source, origin: Origin, name: str) -> str:
    """What a segment and the measurements of it have in common."""
    return origin.uid(source, "tracking", name)


def _descriptions(table: LabelTable, source: Source, origin: Origin) -> Iterator[hd.seg.SegmentDescription]:
    algorithm = hd.AlgorithmIdentificationSequence(origin.model[:64], ALGORITHM_FAMILY, origin.version)
    for number, (name, colour) in enumerate(zip(table.names[1:], table.colours[1:], strict=True), start=1):
        code = code_of(name)
        yield hd.seg.SegmentDescription(
            segment_number=number,
            segment_label=name[:64],
            segmented_property_category=concept(code.category),
            segmented_property_type=concept(code.type),
            algorithm_type="AUTOMATIC",
            algorithm_identification=algorithm,
            tracking_uid=tracking_uid(source, origin, name),
            tracking_id=name[:64],
            display_color=hd.color.CIELabColor.from_rgb(*(code.colour or colour)),
        )


def _modify(description, code: SegmentCode) -> None:
    if code.modifier is not None:
        (kind,) = description.SegmentedPropertyTypeCodeSequence
        kind.SegmentedPropertyTypeModifierCodeSequence = [concept(code.modifier)]
