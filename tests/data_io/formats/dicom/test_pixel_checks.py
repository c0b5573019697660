"""Pixels that are not what the header promises are refused before they are read; unusual headers give the right HU."""

import struct
import tracemalloc

import numpy as np
import pydicom
import pytest
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    RLELossless,
)

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.dicom.ct import open_dicom
from pneumoseg.data_io.formats.dicom.header import read_slice
from pneumoseg.data_io.formats.dicom.pixels import hounsfield
from tests.data_io.formats.dicom.dicom_files import STORED, header, save, write_series


def rescaled(path):
    """HU of the slice by pydicom, (columns, rows)."""
    dataset = pydicom.dcmread(path)
    return dataset.pixel_array.T * float(dataset.RescaleSlope) + float(dataset.RescaleIntercept)


@pytest.mark.parametrize("values", [{"PhotometricInterpretation": "MONOCHROME1"}, {"PresentationLUTShape": "INVERSE"}])
@pytest.mark.parametrize("compressed", [False, True])
def test_hu_do_not_depend_on_how_a_slice_is_shown(tmp_path, said, values, compressed):
    dataset = header((0, 0, 0), RescaleIntercept=-1024, PixelRepresentation=0, Rows=24, Columns=32, **values)
    path = save(dataset, tmp_path / "a.dcm", np.tile(STORED[3], (4, 4)))
    if compressed:
        dataset.compress(RLELossless)
        dataset.save_as(path, enforce_file_format=True)
    hu = open_dicom(path).read().restore()[..., 0]
    assert hu[:2, 0].tolist() == [144 - 1024, 145 - 1024]
    np.testing.assert_array_equal(hu, rescaled(path))
    assert any("MONOCHROME1" in line for line in said.messages) == ("PhotometricInterpretation" in values)


@pytest.mark.parametrize(("bits", "word"), [(8, "OB"), (8, "OW"), (16, "OW"), (32, "OW")])
@pytest.mark.parametrize("signed", [0, 1])
@pytest.mark.parametrize(
    "syntax",
    [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian],
)
def test_uncompressed_pixels_agree_with_pydicom(tmp_path, bits, word, signed, syntax):
    order = ">" if syntax == ExplicitVRBigEndian else "<"
    stored = (np.arange(35).reshape(5, 7) - 17 * signed).astype(f"{order}{'ui'[signed]}{bits // 8}")
    dataset = header((0, 0, 0), Rows=5, Columns=7, BitsAllocated=bits, BitsStored=bits, HighBit=bits - 1)
    dataset.PixelRepresentation, dataset.RescaleSlope, dataset.RescaleIntercept = signed, 2, -1024
    dataset.file_meta.TransferSyntaxUID = syntax
    content = stored.tobytes() + bytes(stored.nbytes % 2)
    if word == "OW" and bits == 8 and order == ">":
        content = np.frombuffer(content, ">u2").astype("<u2").tobytes()
    dataset.PixelData = content
    dataset["PixelData"].VR = word
    dataset.save_as(tmp_path / "a.dcm", enforce_file_format=True)
    hu = hounsfield(read_slice(tmp_path / "a.dcm"))
    np.testing.assert_array_equal(hu, stored.T * 2.0 - 1024)
    np.testing.assert_array_equal(hu, rescaled(tmp_path / "a.dcm"))


@pytest.mark.parametrize(("signed", "least"), [(0, 4051), (1, -45)])
def test_bits_that_are_not_stored_do_not_count(tmp_path, signed, least):
    """An overlay in the four highest bits."""
    stored = ((-STORED[0]).astype(np.uint16) & 0x0FFF) | 0x3000
    dataset = header((0, 0, 0), BitsStored=12, HighBit=11, PixelRepresentation=signed)
    path = save(dataset, tmp_path / "a.dcm", stored)
    hu = open_dicom(path).read().restore()[..., 0]
    assert hu[5, 5] == least
    np.testing.assert_array_equal(hu, rescaled(path))


@pytest.mark.parametrize("high_bit", [11, 13, 15])
def test_stored_bits_lie_where_high_bit_says(tmp_path, high_bit):
    values = np.tile(STORED[4], (4, 4)).astype(np.uint16)
    dataset = header((0, 0, 0), BitsStored=12, HighBit=high_bit, PixelRepresentation=0, Rows=24, Columns=32)
    path = save(dataset, tmp_path / "a.dcm", values << (high_bit - 11))
    np.testing.assert_array_equal(open_dicom(path).read().restore()[..., 0], values.T)
    dataset.compress(RLELossless)
    dataset.HighBit = high_bit
    dataset.save_as(path, enforce_file_format=True)
    if high_bit > 11:
        with pytest.raises(InputError, match=rf"HighBit must be BitsStored - 1, found {high_bit} and 12"):
            open_dicom(path)


def test_a_slope_of_0_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"a\.dcm: RescaleSlope must not be 0"):
        open_dicom(save(header((0, 0, 0), RescaleSlope=0), tmp_path / "a.dcm", STORED[0]))


def test_explicit_elements_under_an_implicit_transfer_syntax(tmp_path):
    path = save(header((0, 0, 0)), tmp_path / "a.dcm", STORED[0])
    content = path.read_bytes()
    path.write_bytes(content.replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2\0\0\0"))
    np.testing.assert_array_equal(open_dicom(path).read().restore()[..., 0], STORED[0].T)


@pytest.mark.parametrize("rows", [0, 1, 3, 5])
def test_too_few_pixels_are_refused_by_the_name_of_their_file(tmp_path, rows):
    folder = write_series(tmp_path / "ct")
    save(header((-100, -80, 35)), folder / "e.dcm", STORED[4][:rows])
    with pytest.raises(InputError, match=rf"e\.dcm: .* 8 x 6 pixels of 16 bits are 96 bytes, found {rows * 16} "):
        open_dicom(folder)


def test_what_lies_behind_the_pixels_is_no_pixel(tmp_path):
    dataset = header((0, 0, 0), DataSetTrailingPadding=bytes(200))
    with pytest.raises(InputError, match="96 bytes, found 48"):
        open_dicom(save(dataset, tmp_path / "a.dcm", STORED[0][:3]))


def test_bytes_behind_the_pixels_are_named(tmp_path, said):
    path = save(header((0, 0, 0)), tmp_path / "a.dcm", STORED[:2])
    np.testing.assert_array_equal(open_dicom(path).read().restore()[..., 0], STORED[0].T)
    assert "bytes behind the pixels of 1 slices are not read, as in a.dcm" in said.messages[0]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"BitsAllocated": 12}, "found 1 of 12 bits"),
        ({"BitsAllocated": 64}, "found 1 of 64 bits"),
        ({"SamplesPerPixel": 3}, "found 3 of 16 bits"),
        ({"BitsStored": 17}, r"in 1\.\.BitsAllocated \(16\), found 17"),
        ({"Rows": 65535, "Columns": 65535}, "8589672450 bytes, found 96"),
    ],
)
def test_pixels_of_another_kind_are_refused(tmp_path, values, message):
    path = save(header((0, 0, 0), **values), tmp_path / "a.dcm", STORED[0])
    with pytest.raises(InputError, match=rf"a\.dcm: .*{message}"):
        open_dicom(path)


def test_a_file_without_pixels_is_refused(tmp_path):
    folder = write_series(tmp_path / "ct")
    header((-100, -80, 35)).save_as(folder / "e.dcm", enforce_file_format=True)
    with pytest.raises(InputError, match=r"e\.dcm: the file has no PixelData"):
        open_dicom(folder)


def test_a_lookup_table_to_hu_is_refused(tmp_path):
    dataset = header((0, 0, 0), ModalityLUTSequence=[pydicom.Dataset()], RescaleSlope=None, RescaleIntercept=None)
    with pytest.raises(InputError, match="found a Modality LUT Sequence"):
        open_dicom(save(dataset, tmp_path / "a.dcm", STORED[0]))


def compressed(path, items, syntax=RLELossless, **values):
    """A slice whose pixels are `items` of bytes."""
    dataset = header((0, 0, 0), **values)
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.PixelData = b"".join(b"\xfe\xff\x00\xe0" + struct.pack("<I", len(item)) + item for item in items)
    dataset["PixelData"].VR = "OB"
    dataset["PixelData"].is_undefined_length = True
    dataset.save_as(path, enforce_file_format=True)
    return path


@pytest.mark.parametrize("items", [[], [b""], [b"", b""], [b"", bytes(64)], [b"", bytes(1000)]])
@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless])
def test_compressed_pixels_that_are_missing_are_refused(tmp_path, items, syntax):
    path = compressed(tmp_path / "a.dcm", items, syntax) if items else tmp_path / "a.dcm"
    if not items:
        content = compressed(path, [b"", b"abcd"], syntax).read_bytes()
        path.write_bytes(content[: content.index(b"\xfe\xff\x00\xe0")])
    with pytest.raises(InputError, match=r"a\.dcm: the pixels cannot be decoded"):
        open_dicom(path).read()


def test_a_compressed_file_that_was_cut_is_refused(tmp_path):
    dataset = header((0, 0, 0), Rows=48, Columns=32)
    dataset.PixelData = np.tile(STORED[0], (8, 4)).tobytes()
    dataset.compress(RLELossless)
    dataset.save_as(tmp_path / "a.dcm", enforce_file_format=True)
    content = (tmp_path / "a.dcm").read_bytes()
    (tmp_path / "a.dcm").write_bytes(content[:-40])
    with pytest.raises(InputError, match=r"a\.dcm: the pixels cannot be decoded: the file is truncated"):
        open_dicom(tmp_path / "a.dcm").read()


@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless])
@pytest.mark.parametrize("slices", [1, 60])
def test_compressed_slices_of_impossible_size_are_refused_without_their_memory(tmp_path, syntax, slices):
    side = 65535 if slices == 1 else 4096
    for index in range(slices):
        place = {"ImagePositionPatient": [0, 0, index]}
        compressed(tmp_path / f"{index}.dcm", [b"", bytes(100)], syntax, Rows=side, Columns=side, **place)
    tracemalloc.start()
    with pytest.raises(InputError, match=f"the header is damaged: {side} x {side} pixels in each of {slices} slices"):
        open_dicom(tmp_path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 30e6


@pytest.mark.parametrize(("syntax", "kind"), [("1.2.3.4.5", "uncompressed"), (JPEG2000Lossless, "uncompressed")])
def test_a_transfer_syntax_that_does_not_fit_is_named(tmp_path, syntax, kind):
    path = save(header((0, 0, 0)), tmp_path / "a.dcm", STORED[0])
    content = path.read_bytes()
    old = b"\x02\x00\x10\x00UI\x14\x001.2.840.10008.1.2.1\x00"
    new = syntax.encode() + bytes(len(syntax) % 2)
    content = content.replace(old, b"\x02\x00\x10\x00UI" + struct.pack("<H", len(new)) + new)
    path.write_bytes(content)
    with pytest.raises(InputError, match=f"transfer syntax .* does not fit the pixels, which are {kind}"):
        open_dicom(path)


@pytest.mark.parametrize("sop_class", ["1.2.3.4", "1.3.12.2.1107.5.9.1", ""])
@pytest.mark.parametrize("coded", ["plain", "RLE", "no preamble"])
def test_a_class_outside_the_standard_is_read(tmp_path, said, sop_class, coded):
    stored = np.tile(STORED[2], (4, 4))
    dataset = header((0, 0, 0), SOPClassUID=sop_class, RescaleIntercept=-1024, Rows=24, Columns=32, SOPInstanceUID="1")
    dataset.file_meta.MediaStorageSOPClassUID = sop_class or "1.2.3"
    dataset.PixelData = stored.tobytes()
    if coded == "RLE":
        dataset.compress(RLELossless, generate_instance_uid=False)
    path = tmp_path / "a"
    dataset.save_as(path, enforce_file_format=True)
    if coded == "no preamble":
        content = path.read_bytes()
        path.write_bytes(content[144 + struct.unpack("<I", content[140:144])[0] :])
        assert b"1.2.840.10008" not in path.read_bytes()
    np.testing.assert_array_equal(open_dicom(path).read().restore()[..., 0], stored.T - 1024)
    assert [line for line in said.messages if "single slice" not in line] == []


@pytest.mark.parametrize("syntax", [b"\xff.2.840.10008.1.2.1", b"1.2.840.10008.1\x7f2.1", b"1.2.840.100\x008.1.2.1"])
def test_a_damaged_transfer_syntax_is_refused_without_a_python_warning(tmp_path, syntax):
    path = save(header((0, 0, 0)), tmp_path / "a.dcm", STORED[0])
    content = path.read_bytes()
    path.write_bytes(content.replace(b"1.2.840.10008.1.2.1\0", syntax.ljust(20, b"\0"), 1))
    with pytest.raises(InputError, match=r"a\.dcm: the transfer syntax \("):
        open_dicom(path)
