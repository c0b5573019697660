"""One file de-identified: nothing of an identity is left, the pixels are the same bytes, the result is valid."""

import io
import shutil
import subprocess
from collections import Counter

import numpy as np
import pydicom
import pytest
from pydicom.sr.codedict import codes
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    RLELossless,
)

from pneumoseg.data_io.formats.dicom.deidentification.instance import HeldBackError, deidentify_instance
from pneumoseg.data_io.formats.dicom.deidentification.key_file import Key
from pneumoseg.data_io.formats.dicom.deidentification.options import Options
from pneumoseg.data_io.formats.dicom.header import read_slice
from pneumoseg.data_io.formats.dicom.pixels import hounsfield
from pneumoseg.data_io.formats.dicom.uids import is_valid_uid
from pneumoseg.data_io.phantoms.dicom_series import write_series as write_phantom_series
from pneumoseg.data_io.volumes.volume import Grid, Volume
from tests.data_io.formats.dicom.deidentification.planted import NEEDLES, NUMBER, found_in, planted, save_planted
from tests.data_io.formats.dicom.dicom_files import STORED, header, save

KEY = Key(b"k" * 32)
ALL = Options(dates="shift", descriptors=True, characteristics=True)
KEPT_BY_ALL = {"031415", "087Y"}  # the time of day and the age


def deidentified(path, target, options=Options(), place=""):  # noqa: B008
    with open(path, "rb") as file:
        return deidentify_instance(file, place, target, key=KEY, options=options)


def faults(file):
    """The errors that dciodvfy finds, and how often."""
    said = subprocess.run(["dciodvfy", file], capture_output=True, text=True, check=False, errors="replace")
    return Counter(line for line in said.stderr.splitlines() if line.startswith("Error"))


@pytest.mark.parametrize("options", [Options(), ALL], ids=["basic", "all options"])
@pytest.mark.parametrize("depth, enhanced", [(1, True), (3, False)])
def test_no_planted_identity_is_left(tmp_path, options, depth, enhanced):
    source = save_planted(planted(depth, enhanced=enhanced), tmp_path / "zyxwvut.dcm")
    assert {needle for needle, _ in found_in(source.read_bytes())} == set(NEEDLES)
    done = deidentified(source, tmp_path / "out.dcm", options)
    content = (tmp_path / "out.dcm").read_bytes()
    assert found_in(content, set(NEEDLES) - (KEPT_BY_ALL if options == ALL else set())) == []
    assert content[:132] == bytes(128) + b"DICM"
    written = pydicom.dcmread(tmp_path / "out.dcm")
    for tag in sorted(written.keys()):
        assert not tag.is_private and tag.element and tag.group & 0xFF00 not in (0x5000, 0x6000)
    assert written.PatientID == written.PatientName == done.patient != NUMBER
    assert done.counts["removed"] > 1000


@pytest.mark.parametrize(
    "charset, name, needles",
    [
        ("ISO_IR 100", "Müßiggang^Käthe", ("Müßiggang", "Käthe")),
        ("ISO_IR 144", "Люкceмбypг^Иван", ("Люкceмбypг", "Иван")),
        ("ISO_IR 126", "Διονυσιος^Αθηνα", ("Διονυσιος",)),
        ("ISO_IR 192", "王小东^Wang", ("王小东", "Wang")),
        ("GB18030", "王小东^Wang", ("王小东",)),
        ("\\ISO 2022 IR 87", "Yamada^Tarou=山田^太郎=やまだ^たろう", ("Yamada", "山田", "太郎", "やまだ")),
        ("\\ISO 2022 IR 149", "Hong^Gildong=洪^吉洞=홍^길동", ("Gildong", "吉洞", "길동")),
    ],
)
def test_names_in_other_scripts_are_removed_from_what_stays_too(tmp_path, charset, name, needles):
    dataset = planted(1, name=name, charset=charset)
    with pydicom.config.disable_value_validation():
        dataset.ManufacturerModelName = name
        dataset.BodyPartExamined = "CHEST"
    source = save_planted(dataset, tmp_path / "in.dcm")
    assert {needle for needle, _ in found_in(source.read_bytes(), needles)} == set(needles)
    deidentified(source, tmp_path / "out.dcm", ALL)
    assert found_in((tmp_path / "out.dcm").read_bytes(), (*needles, "Qwertz", NUMBER)) == []
    assert pydicom.dcmread(tmp_path / "out.dcm").BodyPartExamined == "CHEST"


@pytest.mark.parametrize(
    "syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian]
)
def test_pixels_and_geometry_are_the_same_in_each_transfer_syntax(tmp_path, syntax):
    one = header((1, 2, 3), RescaleIntercept=-1024)
    one.PixelData = STORED[2].astype(">i2" if syntax == ExplicitVRBigEndian else "<i2").tobytes()
    one["PixelData"].VR = "OW"
    one.file_meta.TransferSyntaxUID = syntax
    one.save_as(tmp_path / "in.dcm", enforce_file_format=True)
    deidentified(tmp_path / "in.dcm", tmp_path / "out.dcm")
    before, after = read_slice(tmp_path / "in.dcm"), read_slice(tmp_path / "out.dcm")
    np.testing.assert_array_equal(hounsfield(after), hounsfield(before))
    for name in ("position_mm", "cosines", "spacing_mm", "rows", "columns", "slope", "intercept", "modality"):
        assert getattr(after, name) == getattr(before, name)


def test_compressed_pixels_pass_byte_by_byte(tmp_path):
    one = header((0, 0, 0))
    one.PixelData = STORED[0].tobytes()
    one.compress(RLELossless)
    one.save_as(tmp_path / "in.dcm", enforce_file_format=True)
    deidentified(tmp_path / "in.dcm", tmp_path / "out.dcm")
    start = b"\xe0\x7f\x10\x00OB\0\0\xff\xff\xff\xff"
    (before, after) = (path.read_bytes() for path in (tmp_path / "in.dcm", tmp_path / "out.dcm"))
    assert after[after.index(start) :] == before[before.index(start) :]
    assert pydicom.dcmread(tmp_path / "out.dcm").file_meta.TransferSyntaxUID == RLELossless


def test_what_follows_the_pixels_is_left_out(tmp_path):
    path = save(header((0, 0, 0)), tmp_path / "in.dcm", STORED[0])
    path.write_bytes(path.read_bytes() + b"\xfc\xff\xfc\xffOB\0\0\x08\0\0\0Zyxwvut ")
    deidentified(path, tmp_path / "out.dcm")
    assert (tmp_path / "out.dcm").read_bytes().endswith(STORED[0].tobytes())


def test_missing_uids_become_valid_ones_that_the_content_decides(tmp_path):
    with pydicom.config.disable_value_validation():
        for name, stored, position in (("a", 0, 0), ("b", 1, 1)):
            empty = header(
                (0, 0, position), uid="x" * 36, SOPInstanceUID="", StudyInstanceUID="", FrameOfReferenceUID=""
            )
            save(empty, tmp_path / name, STORED[stored])
    done = [deidentified(tmp_path / name, tmp_path / f"{name}.dcm", place="p") for name in "ab"]
    first, second = (pydicom.dcmread(tmp_path / f"{name}.dcm") for name in "ab")
    for one in (first, second):
        for keyword in ("SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID", "FrameOfReferenceUID"):
            assert is_valid_uid(one[keyword].value)
        assert one.file_meta.MediaStorageSOPInstanceUID == one.SOPInstanceUID
    assert first.SOPInstanceUID != second.SOPInstanceUID
    for keyword in ("SeriesInstanceUID", "StudyInstanceUID", "FrameOfReferenceUID"):
        assert first[keyword].value == second[keyword].value
    assert (done[0].study, done[0].series) == (first.StudyInstanceUID, first.SeriesInstanceUID)
    again = deidentified(tmp_path / "a", tmp_path / "again.dcm", place="p")
    assert again == done[0]
    assert (tmp_path / "again.dcm").read_bytes() == (tmp_path / "a.dcm").read_bytes()


def test_references_between_files_lead_to_the_new_uids(tmp_path):
    target = save(header((0, 0, 0), SOPInstanceUID="1.2.3.4"), tmp_path / "a", STORED[0])
    referring = header((0, 0, 1), SOPInstanceUID="1.2.3.5")
    item = pydicom.Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = referring.SOPClassUID, "1.2.3.4"
    referring.SourceImageSequence = [item]
    save(referring, tmp_path / "b", STORED[1])
    deidentified(target, tmp_path / "a.dcm")
    deidentified(tmp_path / "b", tmp_path / "b.dcm")
    reference = pydicom.dcmread(tmp_path / "b.dcm").SourceImageSequence[0]
    assert reference.ReferencedSOPInstanceUID == pydicom.dcmread(tmp_path / "a.dcm").SOPInstanceUID
    assert reference.ReferencedSOPClassUID == referring.SOPClassUID


def test_valid_uids_stay_where_they_are_to_be_kept(tmp_path):
    with pydicom.config.disable_value_validation():
        one = header((0, 0, 0), SOPInstanceUID="1.2.3.4", StudyInstanceUID="1.02.3")
        path = save(one, tmp_path / "in", STORED[0])
    deidentified(path, tmp_path / "out.dcm", Options(uids=True))
    written = pydicom.dcmread(tmp_path / "out.dcm")
    assert (written.SOPInstanceUID, written.SeriesInstanceUID) == ("1.2.3.4", "1.2.3")
    assert is_valid_uid(written.StudyInstanceUID)
    assert [item.CodeValue for item in written.DeidentificationMethodCodeSequence] == ["113100", "113110"]


def test_the_marks_of_the_profile_are_set(tmp_path):
    path = save(header((0, 0, 0), StudyDate="20200229", PatientSex="F"), tmp_path / "in", STORED[0])
    deidentified(path, tmp_path / "basic.dcm")
    deidentified(path, tmp_path / "all.dcm", ALL)
    basic, every = (pydicom.dcmread(tmp_path / f"{name}.dcm") for name in ("basic", "all"))
    for one, values, dates in (
        (basic, ["113100"], "REMOVED"),
        (every, ["113100", "113105", "113107", "113108"], "MODIFIED"),
    ):
        assert one.PatientIdentityRemoved == "YES"
        assert "PS3.15" in one.DeidentificationMethod
        items = one.DeidentificationMethodCodeSequence
        assert [item.CodeValue for item in items] == values
        assert {item.CodingSchemeDesignator for item in items} == {"DCM"}
        assert one.LongitudinalTemporalInformationModified == dates
    assert (basic.StudyDate, basic.PatientSex) == ("", "")
    assert every.PatientSex == "F"
    assert every.StudyDate < "20190301"


def test_multi_frame_objects_and_segmentations_stay_valid(tmp_path):
    hd = pytest.importorskip("highdicom")
    grid = Grid((6, 8, 4), np.diag([2.0, 2, 3, 1]))
    voxels = np.arange(192, dtype=np.int16).reshape(6, 8, 4)
    folder = write_phantom_series(tmp_path / "ct", Volume(voxels, grid, grid), patient_id="A17-4711")
    slices = [pydicom.dcmread(path) for path in sorted(folder.iterdir())]
    new = {"sop_instance_uid": hd.UID(), "series_instance_uid": hd.UID(), "instance_number": 1}
    frames = hd.legacy.LegacyConvertedEnhancedCTImage(slices, series_number=2, **new)
    segment = hd.seg.SegmentDescription(
        *(1, "left lung of A17-4711", codes.SCT.AnatomicalStructure, codes.SCT.Lung, "MANUAL"),
        tracking_uid=hd.UID(),
        tracking_id="A17-4711",
    )
    mask = np.zeros((4, 8, 6), np.uint8)
    mask[1:3, 2:5, 1:4] = 1
    named = ("manufacturer", "manufacturer_model_name", "software_versions", "device_serial_number")
    maker = dict.fromkeys(named, "Qwertz")
    marked = hd.seg.Segmentation(slices, mask, "BINARY", [segment], series_number=3, **new, **maker)
    for name, dataset in (("ct", frames), ("seg", marked)):
        dataset.save_as(tmp_path / f"{name}.dcm")
        deidentified(tmp_path / f"{name}.dcm", tmp_path / f"{name}-out.dcm")
        content = (tmp_path / f"{name}-out.dcm").read_bytes()
        assert found_in(content, ("A17-4711", "Qwertz")) == []
        before, after = (pydicom.dcmread(tmp_path / f"{name}{end}.dcm") for end in ("", "-out"))
        np.testing.assert_array_equal(after.pixel_array, before.pixel_array)
        if shutil.which("dciodvfy"):
            assert faults(tmp_path / f"{name}-out.dcm") - faults(tmp_path / f"{name}.dcm") == Counter()
    read = hd.seg.segread(tmp_path / "seg-out.dcm")
    described = read.get_segment_description(1)
    assert (described.segment_label, described.segmented_property_type.value) == ("left lung", codes.SCT.Lung.value)
    images = {one.ReferencedSOPInstanceUID for one in read.ReferencedSeriesSequence[0].ReferencedInstanceSequence}
    assert images == {KEY.uid(one.SOPInstanceUID) for one in slices}


def test_a_report_that_is_released_keeps_its_numbers_alone(tmp_path):
    def item(kind, concept, **values):
        one = pydicom.Dataset()
        one.RelationshipType, one.ValueType = "CONTAINS", kind
        code = pydicom.Dataset()
        code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = concept
        one.ConceptNameCodeSequence = [code]
        for keyword, value in values.items():
            setattr(one, keyword, value)
        return one

    measured = pydicom.Dataset()
    measured.NumericValue = "417.5"
    report = header((0, 0, 0), SOPClassUID="1.2.840.10008.5.1.4.1.1.88.33", Modality="SR", PatientID="A17-4711")
    report.ContentSequence = [
        item("NUM", ("118565006", "SCT", "volume of Quentin"), MeasuredValueSequence=[measured]),
        item("TEXT", ("121106", "DCM", "Comment"), TextValue="Mrs Qwertz has"),
        item("PNAME", ("121008", "DCM", "Person"), PersonName="Qwertz^Q"),
    ]
    report.save_as(tmp_path / "in.dcm", enforce_file_format=True)
    with pytest.raises(HeldBackError, match="structured report"):
        deidentified(tmp_path / "in.dcm", tmp_path / "out.dcm")
    deidentified(tmp_path / "in.dcm", tmp_path / "out.dcm", Options(release=frozenset({"report"})))
    assert found_in((tmp_path / "out.dcm").read_bytes(), ("Qwertz", "Quentin", "A17-4711")) == []
    number, text, person = pydicom.dcmread(tmp_path / "out.dcm").ContentSequence
    assert number.MeasuredValueSequence[0].NumericValue == 417.5
    assert number.ConceptNameCodeSequence[0].CodeMeaning.startswith("Volume (property)")
    assert (text.TextValue, person.PersonName) == ("REMOVED", "REMOVED")


@pytest.mark.parametrize("cut", [140, 400, -20])
def test_a_cut_file_is_held_back(tmp_path, cut):
    path = save(header((0, 0, 0)), tmp_path / "in", STORED[0])
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(HeldBackError):
        deidentified(path, tmp_path / "out.dcm")


def test_a_comment_within_compressed_pixels_holds_the_file_back(tmp_path):
    one = header((0, 0, 0), PatientName="Zyxwvutsr^Quentin")
    one.PixelData = STORED[0].tobytes()
    one.compress(RLELossless)
    one.PixelData = pydicom.encaps.encapsulate([one.PixelData[16:-8] + b"Zyxwvutsr^Quentin "])
    one.save_as(tmp_path / "in.dcm", enforce_file_format=True)
    with pytest.raises(HeldBackError, match="found in the result"):
        deidentified(tmp_path / "in.dcm", tmp_path / "out.dcm")


def test_bytes_beyond_the_pixels_are_searched(tmp_path):
    one = header((0, 0, 0), PatientName="Zyxwvutsr^Quentin")
    one.PixelData = STORED[0].tobytes() + b"Zyxwvutsr^Quentin "
    one.save_as(tmp_path / "in.dcm", enforce_file_format=True)
    with pytest.raises(HeldBackError, match="found in the result"):
        deidentified(tmp_path / "in.dcm", tmp_path / "out.dcm")


def test_an_essential_attribute_that_names_the_patient_holds_the_file_back(tmp_path):
    one = header((0, 0, 0), PatientName="Zyxwvut^Quentin", ImageType=["ORIGINAL", "PRIMARY", "AXIAL", "QUENTIN"])
    save(one, tmp_path / "in.dcm", STORED[0])
    with pytest.raises(HeldBackError, match="found in the result"):
        deidentified(tmp_path / "in.dcm", tmp_path / "out.dcm")


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
def test_so_does_a_short_number(tmp_path, syntax):
    one = header((0, 0, 0), PatientID="4711", ImageType=["ORIGINAL", "PRIMARY", "AXIAL", "NO_4711"])
    one.file_meta.TransferSyntaxUID = syntax
    save(one, tmp_path / "in.dcm", STORED[0])
    with pytest.raises(HeldBackError, match="found in the result"):
        deidentified(tmp_path / "in.dcm", tmp_path / "out.dcm")


def test_a_file_without_preamble_gets_one(tmp_path):
    path = save(header((0, 0, 0)), tmp_path / "in.dcm", STORED[0])
    with open(path, "rb") as file:
        file.seek(132)
        pydicom.filereader._read_file_meta_info(file)
        bare = io.BytesIO(file.read())
    done = deidentify_instance(bare, "", tmp_path / "out.dcm", key=KEY, options=Options())
    assert done.number == 0
    written = pydicom.dcmread(tmp_path / "out.dcm")
    assert written.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
    np.testing.assert_array_equal(written.pixel_array, STORED[0])


@pytest.mark.parametrize("name", ["covid_ct_md_P002", "lung_pet_ct_dx_A0002", "cip_ct64"])
def test_real_slices_have_no_faults_that_they_had_not(tmp_path, real_data, name):
    if shutil.which("dciodvfy") is None:
        pytest.skip("dciodvfy (Debian's dicom3tools) is not installed")
    path = sorted((real_data / "dicom" / name).glob("*.dcm"))[0]
    for number, options in enumerate((Options(), ALL)):
        target = tmp_path / f"{number}.dcm"
        deidentified(path, target, options)
        assert faults(target) - faults(path) == Counter()
        before, after = pydicom.dcmread(path, force=True), pydicom.dcmread(target)
        assert after.PixelData == before.PixelData
