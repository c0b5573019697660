"""Values as bytes."""

import pydicom

from pneumoseg.data_io.formats.dicom.deidentification.raw_values import (
    read_bytes,
    read_short,
    read_text,
    tags_of,
    type_of,
)
from tests.data_io.formats.dicom.dicom_files import STORED, header, save


def test_values_are_read_without_being_converted(tmp_path):
    one = pydicom.dcmread(save(header((0, 0, 0), PatientID="ab "), tmp_path / "a", STORED[0]))
    assert read_text(one, 0x00100020) == "ab"
    assert read_bytes(one, 0x00100020) == b"ab  "
    assert read_short(one, 0x00280010, little=True) == 6
    assert one.get_item(0x00280010).is_raw
    assert (read_text(one, 0x00101010), read_short(one, 0x00101010, little=True)) == ("", 0)
    assert tags_of(one) == sorted(tags_of(one))
    assert (type_of(one, 0x00100020), type_of(one, 0x00280010)) == ("LO", "US")
    assert one.get_item(0x00080060).is_raw
