"""Validity of UIDs, and UIDs from content."""

import uuid

import pydicom.uid
import pytest

from pneumoseg.data_io.formats.dicom.uids import is_valid_uid, uid_from


@pytest.mark.parametrize("text", ["1.2.840.10008.5.1.4.1.1.2", "2.25.0", "0.1", "1." + "9" * 62])
def test_valid_uids_are_accepted(text):
    assert is_valid_uid(text)
    assert pydicom.uid.UID(text).is_valid


@pytest.mark.parametrize("text", ["", "1", "1.", "1.02", "1..2", "3.1", "1.2 ", "1.2\n", "a.b", "1.٣", "1." + "9" * 63])
def test_other_texts_are_no_uids(text):
    assert not is_valid_uid(text)


def test_a_uid_depends_on_the_parts_and_their_borders_alone():
    made = [uid_from("a", "b"), uid_from(b"a", "b"), uid_from("ab"), uid_from("b", "a"), uid_from("a", "b", "")]
    assert made[0] == made[1]
    assert len(set(made)) == 4


def test_uids_are_valid_and_come_from_a_uuid_of_version_8():
    for number in range(200):
        made = uid_from("case", str(number))
        assert is_valid_uid(made)
        assert pydicom.uid.UID(made).is_valid
        of = uuid.UUID(int=int(made.removeprefix("2.25.")))
        assert (of.version, of.variant) == (8, uuid.RFC_4122)
