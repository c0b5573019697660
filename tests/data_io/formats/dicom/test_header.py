"""Headers of single files: values, nesting, damage."""

import struct

import numpy as np
import pytest

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.dicom.ct import open_dicom
from pneumoseg.data_io.formats.dicom.header import read_slice, read_slice_with
from pneumoseg.data_io.formats.dicom.series import read_files
from tests.data_io.formats.dicom.dicom_files import NEVER, STORED, header, save, write_series

ITEM, ITEM_END, SEQUENCE_END = b"\xfe\xff\x00\xe0", b"\xfe\xff\x0d\xe0\0\0\0\0", b"\xfe\xff\xdd\xe0\0\0\0\0"


def with_nested_sequences(path, depth, tag=b"\x08\x00\x40\x11", value_type=b"SQ", defined=False):
    """A slice in whose header `depth` sequences lie in one another, of undefined length or of one that is given."""
    content = save(header((0, 0, 0)), path, STORED[0]).read_bytes()
    unknown = b"\xff\xff\xff\xff"
    if defined:
        lengths = [20 * (depth - level) - 12 for level in range(depth)]
        nested = b"".join(
            tag + value_type + b"\0\0" + struct.pack("<I", size) + ITEM + struct.pack("<I", size - 8)
            for size in lengths
        )
    else:
        nested = (tag + value_type + b"\0\0" + unknown + ITEM + unknown) * depth + (ITEM_END + SEQUENCE_END) * depth
    at = content.index(b"\x08\x00\x60\x00CS")
    if tag[:2] == b"\x09\x00":
        at = content.index(b"\x10\x00\x10\x00PN")
    path.write_bytes(content[:at] + nested + content[at:])
    return path


@pytest.mark.parametrize("tag", [b"\x08\x00\x40\x11", b"\x09\x00\x10\x10"], ids=["standard", "private"])
@pytest.mark.parametrize("value_type", [b"SQ", b"UN"])
def test_a_few_nested_sequences_are_read(tmp_path, tag, value_type):
    path = with_nested_sequences(tmp_path / "a.dcm", 20, tag, value_type)
    np.testing.assert_array_equal(open_dicom(path).read().restore()[..., 0], STORED[0].T)


@pytest.mark.parametrize("tag", [b"\x08\x00\x40\x11", b"\x09\x00\x10\x10"], ids=["standard", "private"])
@pytest.mark.parametrize("value_type", [b"SQ", b"UN"])
def test_a_hundred_thousand_nested_sequences_are_refused(tmp_path, said, tag, value_type):
    folder = write_series(tmp_path / "ct")
    bad = with_nested_sequences(folder / "deep.dcm", 100_000, tag, value_type)
    with pytest.raises(InputError, match=r"deep\.dcm: the DICOM header nests sequences too deeply"):
        open_dicom(bad)
    assert open_dicom(folder).stored_grid.shape == (8, 6, 5)
    assert "damaged DICOM files: deep.dcm" in said.messages[0]


def test_nested_sequences_of_given_length_are_skipped(tmp_path):
    path = with_nested_sequences(tmp_path / "a.dcm", 100_000, defined=True)
    np.testing.assert_array_equal(open_dicom(path).read().restore()[..., 0], STORED[0].T)


def test_a_damaged_file_given_alone_is_named_with_its_reason(tmp_path):
    (tmp_path / "a.dcm").write_bytes(b"no DICOM at all")
    with pytest.raises(InputError, match=r"a\.dcm: the file is not a DICOM file, or is damaged"):
        open_dicom(tmp_path / "a.dcm")


def test_reports_are_named_where_there_is_nothing_else(tmp_path):
    save(header((0, 0, 0), Modality="SR", Rows=None), tmp_path / "report", STORED[0])
    assert read_files(tmp_path).reports == ("SR",)
    with pytest.raises(InputError, match=r"holds no DICOM image .* found SR without image"):
        open_dicom(tmp_path)


def test_who_was_examined_is_in_no_text(tmp_path):
    one = read_slice(save(header((0, 0, 0)), tmp_path / "a.dcm", STORED[0]))
    assert NEVER not in repr(one) + one.patient
    assert one.patient not in repr(one)


def test_a_value_of_wrong_length_is_missing_or_the_file_damaged(tmp_path):
    content = save(header((0, 0, 0), SeriesNumber=None), tmp_path / "a.dcm", STORED[0]).read_bytes()
    rows = b"\x28\x00\x10\x00US\x02\x00\x06\x00"
    (tmp_path / "b.dcm").write_bytes(content.replace(rows, b"\x28\x00\x10\x00US\x03\x00\x06\x00\x00"))
    assert read_slice(tmp_path / "b.dcm").rows == 0
    (tmp_path / "c.dcm").write_bytes(content[:136] + b"UL\x06\x00" + content[140:])
    with pytest.raises(InputError, match=r"c\.dcm: the DICOM header is damaged \(Expected total bytes"):
        read_slice(tmp_path / "c.dcm")


@pytest.mark.parametrize(("stored", "read"), [("20200401", "20200401"), ("", ""), (None, "")])
def test_the_day_of_the_study_is_read_and_not_shown(tmp_path, stored, read):
    one = read_slice(save(header((0, 0, 0), StudyDate=stored), tmp_path / "a.dcm", STORED[0]))
    assert one.study_date == read
    assert "20200401" not in repr(one)


def test_a_day_that_is_none_is_missing(tmp_path):
    content = save(header((0, 0, 0), StudyDate="20200401"), tmp_path / "a.dcm", STORED[0]).read_bytes()
    (tmp_path / "b.dcm").write_bytes(content.replace(b"20200401", b"withheld"))
    assert read_slice(tmp_path / "b.dcm").study_date == ""


def test_further_values_as_text(tmp_path):
    several = {"ConvolutionKernel": ["Br40f", "3"], "KVP": "120", "StudyID": None}
    path = save(header((0, 0, 0), **several), tmp_path / "a.dcm", STORED[0])
    one, values = read_slice_with(path, ("ConvolutionKernel", "KVP", "StudyID", "Modality"))
    assert one == read_slice(path)
    assert values == {"ConvolutionKernel": "Br40f\\3", "KVP": "120", "StudyID": "", "Modality": "CT"}
    (tmp_path / "a.txt").write_text("no DICOM")
    assert read_slice_with(tmp_path / "a.txt", ("KVP",)) is None
