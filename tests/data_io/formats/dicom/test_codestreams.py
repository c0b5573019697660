"""What compressed frames say of their own size, written by hand and by GDCM."""

import struct

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from pydicom.encaps import generate_frames

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.dicom.codestreams import frame_size
from pneumoseg.data_io.formats.dicom.ct import open_dicom
from tests.data_io.formats.dicom.dicom_files import STORED, header, save

JPEG_LS = b"\xff\xd8\xff\xe0\x00\x04ab\xff\xf7\x00\x0b\x10\x00\x06\x00\x08\x01\x01\x11\x00pixels\xff\xd9"


def jpeg_2000(size=(8, 6), origin=(0, 0), tile=(8, 6), steps=(1, 1)):
    sizes = struct.pack(">HH8IH3B", 41, 0, *size, *origin, *tile, 0, 0, 1, 15, *steps)
    return b"\xff\x4f\xff\x51" + sizes + b"pixels\xff\xd9\x00"


@pytest.fixture(params=["JPEG", "JPEG2000"])
def encoded(request, tmp_path):
    """A slice of 24 rows and 32 columns as GDCM compresses it."""
    writer = sitk.ImageFileWriter()
    writer.SetImageIO("GDCMImageIO")
    writer.SetCompressor(request.param)
    writer.UseCompressionOn()
    writer.SetFileName(str(tmp_path / "encoded.dcm"))
    writer.Execute(sitk.GetImageFromArray(np.tile(STORED[0], (4, 4))[None]))
    return pydicom.dcmread(tmp_path / "encoded.dcm")


def slice_of(encoded, path, cut=0, **values):
    """The compressed pixels under a header of their own; `cut`: bytes left out at their end."""
    dataset = header((0, 0, 0), **{"Rows": 24, "Columns": 32, **values})
    save(dataset, path, STORED[0])
    frame = next(generate_frames(encoded.PixelData, number_of_frames=1))
    dataset.PixelData = pydicom.encaps.encapsulate([frame[: len(frame) - cut]])
    dataset["PixelData"].VR = "OB"
    dataset["PixelData"].is_undefined_length = True
    dataset.file_meta.TransferSyntaxUID = encoded.file_meta.TransferSyntaxUID
    dataset.save_as(path, enforce_file_format=True)
    return path


def test_size_of_what_gdcm_wrote(encoded):
    frame = next(generate_frames(encoded.PixelData, number_of_frames=1))
    assert frame_size(frame, rle=False) == (24, 32, 1)
    assert frame_size(frame[:-8], rle=False) is None
    assert frame_size(frame[8:], rle=False) is None


def test_size_by_hand():
    assert frame_size(JPEG_LS, rle=False) == (6, 8, 1)
    assert frame_size(jpeg_2000(), rle=False) == (6, 8, 1)
    assert frame_size(jpeg_2000(size=(11, 10), origin=(3, 4)), rle=False) == (6, 8, 1)
    assert frame_size(struct.pack("<16L", 2, 64, 70, *[0] * 13) + bytes(20), rle=True) == (0, 0, 2)


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        bytes(1000),
        b"\xff\xd8\xff",
        b"\xff\xd8\xff\xd9",
        JPEG_LS[:12],
        jpeg_2000(tile=(0, 6)),
        jpeg_2000(steps=(1, 0)),
        jpeg_2000(origin=(8, 0)),
        jpeg_2000()[:30] + b"\xff\xd9",
    ],
)
def test_frames_that_no_decoder_is_given(frame):
    assert frame_size(frame, rle=False) is None


@pytest.mark.parametrize("starts", [(0,), (16, 64), (2, 64, 64), (2, 70, 64), (1, 500), (1, 0)])
def test_run_length_frames_that_no_decoder_is_given(starts):
    frame = struct.pack("<16L", *starts, *[0] * (16 - len(starts))) + bytes(20)
    assert frame_size(frame, rle=True) is None


def test_a_size_other_than_that_of_the_header_is_refused(encoded, tmp_path):
    path = slice_of(encoded, tmp_path / "a.dcm", Rows=25)
    with pytest.raises(InputError, match=r"a\.dcm: the header promises \(25, 32, 1\) .* has \(24, 32, 1\)"):
        open_dicom(path).read()


@pytest.mark.parametrize("cut", [2, 20])
def test_a_frame_that_was_cut_is_refused(encoded, tmp_path, cut):
    np.testing.assert_array_equal(
        open_dicom(slice_of(encoded, tmp_path / "b.dcm")).read().restore()[..., 0], np.tile(STORED[0], (4, 4)).T
    )
    with pytest.raises(InputError, match=r"a\.dcm: the pixels cannot be decoded"):
        open_dicom(slice_of(encoded, tmp_path / "a.dcm", cut=cut)).read()
