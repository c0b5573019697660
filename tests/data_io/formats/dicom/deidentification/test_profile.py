"""Table E.1-1 as a table, and what it asks of single attributes."""

from collections import Counter

import pytest
from pydicom.datadict import DicomDictionary, tag_for_keyword

from pneumoseg.data_io.formats.dicom.deidentification.options import Options
from pneumoseg.data_io.formats.dicom.deidentification.profile import (
    DATES,
    KEPT_TEXT,
    TEXT,
    Treatment,
    _table,
    treatment,
)

BASIC = Options()
SHIFTED = Options(dates="shift")


def of(keyword, options=BASIC, enhanced=False):
    return treatment(tag_for_keyword(keyword), options, enhanced)


def test_the_table_is_whole():
    actions = Counter(action for action, _ in _table().values())
    assert sum(actions.values()) == 652
    assert actions == {
        **{"X": 412, "D": 93, "U": 55, "Z": 42, "X/D": 23, "X/Z": 11, "X/Z/D": 8, "Z/D": 6, "X/Z/U": 2},
    }
    options = Counter(name for _, names in _table().values() for name in names)
    assert options == {"dates": 167, "descriptors": 131, "uids": 60, "characteristics": 10}


@pytest.mark.parametrize(
    "keyword, expected",
    [
        ("PatientName", Treatment.EMPTY),  # a pseudonym is written afterwards
        ("PatientBirthDate", Treatment.EMPTY),
        ("StudyDate", Treatment.EMPTY),
        ("SeriesDate", Treatment.REMOVE),
        ("InstitutionName", Treatment.REMOVE),
        ("SOPInstanceUID", Treatment.REPLACE_UID),
        ("ReferencedSOPClassUID", Treatment.REPLACE_UID),
        ("SourceImageSequence", Treatment.ENTER),
        ("SeriesDescription", Treatment.REMOVE),
        ("ClinicalTrialSubjectID", Treatment.DUMMY),
        ("Rows", Treatment.CLEAN),
        ("Manufacturer", Treatment.CLEAN),
        ("SoftwareVersions", Treatment.REMOVE),
        ("PositionReferenceIndicator", Treatment.EMPTY),
        ("IconImageSequence", Treatment.REMOVE),
        ("SpecificCharacterSet", Treatment.REMOVE),
        ("RedPaletteColorLookupTableData", Treatment.CLEAN),
        ("ICCProfile", Treatment.REMOVE),
        ("DataSetTrailingPadding", Treatment.REMOVE),
    ],
)
def test_attributes_of_a_classic_image(keyword, expected):
    assert of(keyword) is expected


def test_mandatory_attributes_of_multi_frame_objects_get_dummies():
    assert of("AcquisitionDateTime") is Treatment.REMOVE
    assert of("AcquisitionDateTime", enhanced=True) is Treatment.DUMMY
    assert of("DeviceSerialNumber", enhanced=True) is Treatment.DUMMY


def test_options_change_what_they_name():
    assert of("StudyDate", SHIFTED) is of("SeriesDate", SHIFTED) is Treatment.SHIFT
    assert of("PatientBirthDate", SHIFTED) is Treatment.EMPTY
    assert of("SeriesDescription", Options(descriptors=True)) is Treatment.CLEAN
    assert of("RequestAttributesSequence", Options(descriptors=True)) is Treatment.ENTER
    assert of("PatientAge", Options(characteristics=True)) is Treatment.CLEAN
    assert of("ReferencedStudySequence", Options(uids=True)) is Treatment.ENTER


@pytest.mark.parametrize("tag", [0x00091001, 0x00090010, 0x00280000, 0x00081304, 0x50003000, 0x60003000, 0x7FE00010])
def test_private_unknown_and_repeating_groups_are_removed(tag):
    assert treatment(tag, BASIC, False) is Treatment.REMOVE


def test_overlays_stay_where_they_are_released_but_not_their_comments():
    released = Options(release=frozenset({"overlays"}))
    assert treatment(0x60003000, released, False) is Treatment.CLEAN
    assert treatment(0x60004000, released, False) is treatment(0x60001500, released, False) is Treatment.REMOVE


@pytest.mark.parametrize("enhanced", [False, True])
def test_no_text_or_date_of_the_whole_dictionary_stays_unseen(enhanced):
    for tag, (kinds, *_) in DicomDictionary.items():
        how = treatment(tag, BASIC, enhanced)
        if kinds in TEXT and tag not in KEPT_TEXT:
            assert how in (Treatment.REMOVE, Treatment.EMPTY, Treatment.DUMMY)
        if kinds in DATES:
            assert how in (Treatment.REMOVE, Treatment.EMPTY, Treatment.DUMMY)
            assert treatment(tag, SHIFTED, enhanced) is not Treatment.CLEAN
