"""Single attributes: what stays of them, and in which form."""

import io
import warnings

import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian

from pneumoseg.data_io.formats.dicom.deidentification.elements import Rules, cleaned, replaced_uid
from pneumoseg.data_io.formats.dicom.deidentification.encoding import Element, encoded, file_start
from pneumoseg.data_io.formats.dicom.deidentification.identities import identities_of
from pneumoseg.data_io.formats.dicom.deidentification.key_file import Key
from pneumoseg.data_io.formats.dicom.deidentification.options import Options
from pneumoseg.data_io.formats.dicom.uids import is_valid_uid

KEY = Key(b"k" * 32)
CT = "1.2.840.10008.5.1.4.1.1.2"


def read_back(dataset: Dataset) -> Dataset:
    """The data set as it is read from a file: its values as bytes."""
    stream = io.BytesIO()
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    with warnings.catch_warnings(), pydicom.config.disable_value_validation():
        warnings.simplefilter("ignore")
        dataset.SOPClassUID, dataset.SOPInstanceUID = CT, "1.2.3"
        dataset.save_as(stream, enforce_file_format=True)
    stream.seek(0)
    return pydicom.dcmread(stream)


def treated(options=Options(), **values) -> dict[str, object]:  # noqa: B008
    """What stays of attributes, by keyword: bytes, or of sequences their items."""
    dataset = Dataset()
    with warnings.catch_warnings(), pydicom.config.disable_value_validation():
        warnings.simplefilter("ignore")
        for keyword, value in values.items():
            setattr(dataset, keyword, value)
        read = read_back(dataset)
        rules = Rules(KEY, options, 365, False, identities_of(read, with_uids=True))
        return {pydicom.datadict.keyword_for_tag(one.tag): plain(one) for one in cleaned(read, rules)}


def plain(one: Element) -> object:
    if isinstance(one.value, bytes):
        return one.value
    return [{pydicom.datadict.keyword_for_tag(inner.tag): plain(inner) for inner in item} for item in one.value]


@pytest.mark.parametrize(
    "keyword, value, expected",
    [
        ("Modality", "CT", b"CT"),
        ("BodyPartExamined", "Chest", b"Chest "),
        ("BodyPartExamined", "Mrs Miller", None),
        ("KVP", "120", b"120 "),
        ("Manufacturer", "SIEMENS", b"SIEMENS "),
        ("Manufacturer", "Dr. Mabuse", b""),
        ("ManufacturerModelName", "Dr. Mabuse", None),
        ("ConvolutionKernel", "B40f", b"B40f"),
        ("ConvolutionKernel", ["I70f", "3"], b"I70f\\3"),
        ("RescaleType", "HU", b"HU"),
        ("WindowCenterWidthExplanation", ["WINDOW1", "WINDOW2"], b"WINDOW1\\WINDOW2 "),
        ("Rows", 512, b"\0\2"),
        ("StudyID", "A7", b""),
        ("ProtocolName", "x", None),
        ("FilterType", "LARGE SCANOGRAM BODY", b"LARGE SCANOGRAM "),
        ("PatientAge", "050Y", None),
        ("ClinicalTrialSubjectID", "17", b"REMOVED "),
        ("SoftwareVersions", "VA40", None),
    ],
)
def test_values_stay_in_a_known_form_only(keyword, value, expected):
    assert treated(**{keyword: value}).get(keyword) == expected


@pytest.mark.parametrize(
    "tag, kind, value, stays",
    [
        (0x00280010, "US", b"\1\0", True),
        (0x00280010, "LO", b"Zyxwvut ", False),  # Rows as text
        (0x00280010, "US", b"\1\0\2\0\3\0", False),  # more values than Rows has
        (0x00180050, "IS", b"5 ", True),  # SliceThickness, by the standard DS
        (0x00180050, "UN", b"5 ", True),
        (0x00180050, "UN", b"two mm", False),
        (0x00200013, "IS", b"0151-778899 ", False),
        (0x00280030, "DS", b"1941.03.07", False),
        (0x00280030, "DS", b"0.5\\ 5e-1 ", True),
        (0x00280030, "DS", b" " * 50_000 + b"x ", False),
        (0x00080060, "UN", b"CT", True),
        (0x00200013, "SH", b"5 ", False),
    ],
)
def test_a_type_or_form_that_contradicts_the_dictionary_is_not_believed(tag, kind, value, stays):
    content = file_start(CT, "1.2.3", ExplicitVRLittleEndian) + encoded([Element(tag, kind, value)], (False, True))
    read = pydicom.dcmread(io.BytesIO(content))
    rules = Rules(KEY, Options(), 365, False, identities_of(read, with_uids=True))
    assert [one.tag for one in cleaned(read, rules)] == [tag] * stays


def test_codes_of_the_standard_stay_with_their_own_meaning():
    def item(value, scheme, meaning):
        code = Dataset()
        code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = value, scheme, meaning
        return code

    known, local = item("39607008", "SCT", "lung of Mrs Miller"), item("7", "99LOCAL", "Mrs Miller")
    kept = treated(AnatomicRegionSequence=[known, local])["AnatomicRegionSequence"]
    assert [one["CodeValue"] for one in kept] == [b"39607008"]
    assert kept[0]["CodeMeaning"].startswith(b"Lung")
    assert b"Miller" not in kept[0]["CodeMeaning"]
    assert "AnatomicRegionSequence" not in treated(AnatomicRegionSequence=[local])


def test_uids_of_the_standard_stay_and_others_are_replaced_at_each_depth():
    inner = Dataset()
    inner.ReferencedSOPClassUID, inner.ReferencedSOPInstanceUID = CT, "1.2.3.4"
    outer = Dataset()
    outer.ReferencedSOPInstanceUID, outer.ReferencedImageSequence = "1.2.3.5", [inner]
    kept = treated(SourceImageSequence=[outer])["SourceImageSequence"][0]
    nested = kept["ReferencedImageSequence"][0]
    assert nested["ReferencedSOPClassUID"].rstrip(b"\0") == CT.encode()
    assert nested["ReferencedSOPInstanceUID"].rstrip(b"\0").decode() == KEY.uid("1.2.3.4")
    assert kept["ReferencedSOPInstanceUID"].rstrip(b"\0").decode() == KEY.uid("1.2.3.5")


@pytest.mark.parametrize("text", ["1.2.3", "no uid", "896911bf-1143-4c8d-8f04-f3cd1a7f6204"])
def test_replaced_uids_are_valid(text):
    rules = Rules(KEY, Options(uids=True), 1, False, identities_of(Dataset(), with_uids=True))
    assert is_valid_uid(replaced_uid(text, rules))
    assert (replaced_uid(text, rules) == text) == is_valid_uid(text)


def test_dates_move_with_the_option():
    values = {"StudyDate": "20210301", "StudyTime": "101112", "PatientBirthDate": "19410307", "SeriesDate": "yesterday"}
    moved = treated(
        Options(dates="shift"), AcquisitionDateTime="20210301101112", TimezoneOffsetFromUTC="+0100", **values
    )
    assert moved["StudyDate"] == b"20200301"
    assert moved["AcquisitionDateTime"] == b"20200301101112"
    assert (moved["StudyTime"], moved["TimezoneOffsetFromUTC"]) == (b"101112", b"+0100 ")
    assert (moved["PatientBirthDate"], moved["SeriesDate"]) == (b"", b"")
    assert treated(**values)["StudyDate"] == b""


def test_characteristics_and_descriptors_stay_with_their_options():
    options = Options(characteristics=True, descriptors=True)
    kept = treated(
        options, PatientAge="093Y", PatientSex="F", PatientWeight="61", StudyDescription="CT Thorax Mrs Miller"
    )
    assert (kept["PatientAge"], kept["PatientSex"], kept["PatientWeight"]) == (b"090Y", b"F ", b"61")
    assert kept["StudyDescription"] == b"CT Thorax "


def test_what_names_the_patient_is_emptied_wherever_it_stands():
    kept = treated(PatientName="Chesterton^Al", PatientID="4711", BodyPartExamined="CHESTERTON", SeriesNumber=4711)
    assert (kept["BodyPartExamined"], kept["SeriesNumber"]) == (b"", b"")
