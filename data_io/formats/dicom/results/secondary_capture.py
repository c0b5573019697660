"""Pictures of a result as a DICOM series of secondary captures (PS3.3 A.8), for viewers that know no segmentations."""

from collections.abc import Iterable
from pathlib import Path

import highdicom as hd
import numpy as np
from pydicom import dcmread
from pydicom.uid import ExplicitVRLittleEndian

from pneumoseg.data_io.formats.dicom.header import lenient
from pneumoseg.data_io.formats.dicom.results.origin import Origin
from pneumoseg.data_io.formats.dicom.results.round_trip import UnfaithfulFile
from pneumoseg.data_io.formats.dicom.results.source import Source
from pneumoseg.data_io.storage.atomic import folder_aside, replace_folder

RADIOLOGICAL = ("L", "P")
"""Patient Orientation of a picture with the patient's right at its left and the front at the top: columns go on to the
left, rows to the back."""


def write_captures(folder: str | Path, pictures: Iterable[np.ndarray], *, source: Source, origin: Origin) -> None:
    """Writes RGB pictures, uint8 (rows, columns, 3), axial and in radiological convention, as a series in `folder`:
    0001.dcm and so on, all or none. Raises UnfaithfulFile where a picture read back is another."""
    with folder_aside(folder) as aside:
        made = aside / Path(folder).name
        made.mkdir()
        for number, picture in enumerate(pictures, start=1):
            _write(made / f"{number:04d}.dcm", picture, number, source=source, origin=origin)
        replace_folder(made, Path(folder))


def _write(path: Path, picture: np.ndarray, number: int, *, source: Source, origin: Origin) -> None:
    equipment = origin.equipment(source, "secondary capture") | {
        "instance_number": number,
        "sop_instance_uid": origin.uid(source, "secondary capture", f"instance {number}"),
    }
    with lenient():
        capture = hd.sc.SCImage.from_ref_dataset(
            ref_dataset=source.headers[0],
            pixel_array=picture,
            photometric_interpretation="RGB",
            bits_allocated=8,
            coordinate_system="PATIENT",
            patient_orientation=RADIOLOGICAL,
            transfer_syntax_uid=ExplicitVRLittleEndian,
            series_description="pneumoseg: segmentation, for research",
            **equipment,
        )
        capture.BodyPartExamined = "CHEST"
        capture.save_as(path)
        written = dcmread(path)
    values = np.frombuffer(written.PixelData, np.uint8)[: picture.size]
    same = np.array_equal(values.reshape(written.Rows, written.Columns, 3), picture)
    if not same or tuple(written.PatientOrientation) != RADIOLOGICAL or written.InstanceNumber != number:
        raise UnfaithfulFile(f"picture {number} read back is not the one that was drawn")
