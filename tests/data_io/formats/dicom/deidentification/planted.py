"""A CT slice with an identity planted in every attribute of the DICOM dictionary, and the search for it in bytes."""

import struct
import warnings
from pathlib import Path

import numpy as np
import pydicom.config
from pydicom.datadict import DicomDictionary
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian

from tests.data_io.formats.dicom.dicom_files import header

NAME, NUMBER, TEXT = "Zyxwvut^Quentin", "86753091", "Ring 0151-778899, ask for Mrs Qwertz"
DATE, TIME, UID = "19410307", "031415.926", "1.2.826.0.1.3680043.77.88.99"
NEEDLES = ("Zyxwvut", "Quentin", NUMBER, "0151-778899", "Qwertz", DATE, "031415", "087Y", UID, "zyxwvut.example")
OF_SCRIPTS = ("iso2022_jp", "iso2022_kr", "euc_kr", "gb18030", "iso8859_5", "greek")
STRUCTURE = {
    *("SOPClassUID", "ImageType", "Modality", "PatientPosition", "PhotometricInterpretation", "SamplesPerPixel"),
    *("Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "NumberOfFrames"),
    *("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "BurnedInAnnotation", "PixelData"),
    *("RecognizableVisualFeatures", "ConversionType", "SpecificCharacterSet", "FloatPixelData", "DoubleFloatPixelData"),
}
"""What a file needs to be read as a CT at all."""

VALUES = {
    **{"AE": "ZYXWVUT", "AS": "087Y", "CS": "ZYXWVUT", "DA": DATE, "DT": f"{DATE}{TIME}", "TM": TIME, "UI": UID},
    **{"LO": NAME, "SH": "Zyxwvut", "PN": NAME, "LT": TEXT, "ST": TEXT, "UT": TEXT, "UC": TEXT},
    **{"UR": "http://zyxwvut.example/86753091", "IS": NUMBER, "DS": NUMBER},
    **{kind: b"Zyxwvut^Quentin " for kind in ("OB", "OW", "OF", "OL", "UN")},
    **{kind: b"Zyxwvut^Quentin Zyxwvut^Quentin " for kind in ("OD", "OV")},
}


def planted(depth: int = 2, *, name: str = NAME, charset: str | None = None, enhanced: bool = False) -> Dataset:
    """A slice in which each attribute of the dictionary but STRUCTURE names the patient, and so do `depth` levels of
    items in a sequence that stays; with private blocks, curves, overlays, a group length and trailing padding.
    `enhanced`: with functional groups, as multi-frame objects have them."""
    dataset = header((0, 0, 0))
    with warnings.catch_warnings(), pydicom.config.disable_value_validation():
        warnings.simplefilter("ignore")
        fill(dataset, depth)
        if not enhanced:
            del dataset.SharedFunctionalGroupsSequence
        if charset is not None:
            dataset.SpecificCharacterSet = charset.split("\\")
        dataset.PatientID, dataset.PatientBirthDate = NUMBER, DATE
        dataset.PatientName = name
        dataset.OtherPatientNames = name
    for group in (0x0009, 0x0029, 0x7FE1):
        dataset.add_new((group << 16) + 0x0010, "LO", "ZYX HEADER")
        dataset.add_new((group << 16) + 0x1001, "UN", TEXT.encode())
    dataset.add_new(0x00090000, "UL", 1)
    for group in (0x5000, 0x6000, 0x6002):
        dataset.add_new((group << 16) + 0x3000, "OW", NAME.encode() + b" ")
        dataset.add_new((group << 16) + 0x1500, "LO", NAME)
    dataset.add_new(0xFFFCFFFC, "OB", NAME.encode() + b" ")
    return dataset


def fill(dataset: Dataset, depth: int) -> None:
    """Plants an identity in each attribute of the dictionary, and in the item of every sequence, down to `depth`."""
    for tag, (kinds, multiplicity, _, _, keyword) in DicomDictionary.items():
        group, kind = tag >> 16, kinds.split(" or ")[-1]
        if keyword in STRUCTURE or group < 8 or kind == "NONE" or tag >= 0xFFFA0000 or not keyword:
            continue
        if kind == "SQ":
            item = Dataset()
            if depth == 1:
                item.PatientName, item.PatientComments, item.ContentDate = NAME, TEXT, DATE
                item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = NUMBER, "SCT", NAME
            dataset[tag] = DataElement(tag, "SQ", Sequence([item] if depth else []))
        elif kind in VALUES:
            dataset.add_new(tag, kind, VALUES[kind])
        elif kind in ("US", "SS") and multiplicity in ("1-n", "1-n or 1"):
            dataset.add_new(tag, kind, list(struct.unpack("<8H", b"Zyxwvut^Quentin ")))
    if depth > 1:
        inner = Dataset()
        fill(inner, depth - 1)
        dataset.ReferencedImageSequence = [inner]


def save_planted(dataset: Dataset, path: Path) -> Path:
    """Writes the slice, with an identity in the preamble too."""
    dataset.preamble = NAME.encode().ljust(128, b"\0")
    dataset.file_meta.SourceApplicationEntityTitle = "ZYXWVUT"
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.PixelData = np.arange(48, dtype="<i2").tobytes()
    with warnings.catch_warnings(), pydicom.config.disable_value_validation():
        warnings.simplefilter("ignore")
        dataset.save_as(path, enforce_file_format=True)
    return path


def found_in(content: bytes, needles=NEEDLES) -> list[tuple[str, str]]:
    """The needles that stand in the bytes, and the encoding in which they do."""
    encodings = ("utf-8", "latin-1", "utf-16-le", "utf-16-be", *OF_SCRIPTS)
    found = []
    for needle in needles:
        for encoding in encodings:
            try:
                sought = needle.encode(encoding)
            except UnicodeEncodeError:
                continue
            if sought.lower() in content.lower():
                found.append((needle, encoding))
    return found
