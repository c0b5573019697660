"""What is written is what pydicom reads."""

import io

import pydicom
import pytest
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from pneumoseg.data_io.formats.dicom.deidentification.encoding import Element, encoded, file_start, text_element


@pytest.mark.parametrize(
    "syntax, encoding",
    [
        (ExplicitVRLittleEndian, (False, True)),
        (ImplicitVRLittleEndian, (True, True)),
        (ExplicitVRBigEndian, (False, False)),
    ],
)
def test_elements_and_items_read_back(syntax, encoding):
    inner = [text_element(0x00080100, "SH", "abc"), Element(0x00089215, "SQ", [])]
    elements = [
        text_element(0x00080018, "UI", "1.2.3"),
        Element(0x00082112, "SQ", [inner, []]),
        text_element(0x00100010, "PN", "P1"),
        Element(0x0040A160, "UT", b"x" * 300),
        Element(0x00281201, "OW", bytes(70000)),
    ]
    content = file_start("1.2.840.10008.5.1.4.1.1.2", "1.2.3", syntax) + encoded(elements, encoding)
    read = pydicom.dcmread(io.BytesIO(content))
    assert (read.SOPInstanceUID, read.PatientName) == ("1.2.3", "P1")
    assert [len(item) for item in read.SourceImageSequence] == [2, 0]
    assert read.SourceImageSequence[0].CodeValue == "abc"
    assert read.TextValue == "x" * 300
    assert len(read[0x00281201].value) == 70000
    assert read.file_meta.MediaStorageSOPInstanceUID == "1.2.3"
    start = encoded(elements[:1], encoding)
    assert read.file_meta.FileMetaInformationGroupLength == content.index(start) - 144


def test_text_has_an_even_length():
    assert text_element(1, "UI", "1.2").value == b"1.2\0"
    assert text_element(1, "LO", "abc").value == b"abc "
    assert text_element(1, "LO", "").value == b""
