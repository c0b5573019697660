"""Values that name a patient, found or not."""

import pydicom
import pytest

from pneumoseg.data_io.formats.dicom.deidentification.identities import identities_of
from tests.data_io.formats.dicom.dicom_files import STORED, header, save


@pytest.fixture
def identities(tmp_path):
    def of(with_uids=True, **values):
        path = save(header((0, 0, 0), **{"PatientID": "A17-4711", **values}), tmp_path / "one", STORED[0])
        return identities_of(pydicom.dcmread(path), with_uids=with_uids)

    return of


@pytest.mark.parametrize("found", ["Zyxwvut", "ZYXWVUT", "quentin zyxwvut", "x_Zyxwvut_x", "A17-4711", "1941-QW"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-16-be", "latin-1"])
def test_words_are_found_in_each_encoding(identities, found, encoding):
    known = identities(PatientName="Zyxwvut^Quentin", AccessionNumber="1941-QW")
    assert known.in_bytes(b"\0\1" + found.encode(encoding) + b"\2")
    assert not known.in_bytes("Siemens CHEST 1941".encode(encoding))


def test_numbers_count_on_their_own_only(identities):
    known = identities(PatientName="", PatientID="19410307", AccessionNumber="1024")
    assert known.in_bytes(b"on 19410307 born")
    assert not known.in_bytes(b"2.25.1194103071")
    assert known.in_text(b"no 1024")
    assert not known.in_text(b"21024")
    assert not known.in_bytes(b"-1024")  # such as RescaleIntercept


def test_short_values_and_placeholders_are_not_looked_for(identities):
    known = identities(PatientName="Li^Wu", PatientID="17", ReferringPhysicianName="UNKNOWN")
    assert known.in_bytes(b"LI WU")
    assert not known.in_bytes(b"unknown lithium 17")


def test_names_of_items_and_uids_count(identities):
    item = pydicom.Dataset()
    item.PersonName = "Nested^Person"
    known = identities(ReferencedImageSequence=[item], SOPInstanceUID="1.2.3.4.5")
    assert known.in_bytes(b"...nested...")
    assert known.in_bytes(b"1.2.3.4.5")
    assert not known.in_bytes(b"1.2.3.4.51 2.1.2.3.4.5")
    assert not identities(with_uids=False, SOPInstanceUID="1.2.3.4.5").in_bytes(b"1.2.3.4.5")


def test_in_pixels_only_long_values_are_looked_for(identities):
    known = identities(PatientName="Zyxwvutsr^Abel")
    assert known.in_pixels(b"\xff\xfezyxwvutsr")
    assert not known.in_pixels(b"\xff\xfeabel")
