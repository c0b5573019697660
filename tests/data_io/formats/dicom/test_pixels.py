"""What DICOM pixels become: HU by each slice's rescale, padding, compressions, slab by slab."""

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from pydicom.uid import JPEG2000Lossless, JPEGLosslessSV1, RLELossless

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.dicom.ct import open_dicom
from tests.data_io.formats.dicom.dicom_files import SHUFFLED, STORED, header, save, write_series


def test_slabs_fill_the_scan(tmp_path, monkeypatch):
    monkeypatch.setattr("pneumoseg.data_io.formats.dicom.ct.slab_thickness", lambda shape, itemsize: 2)
    scan = open_dicom(write_series(tmp_path / "ct"))
    assert [slab.shape[2] for slab in scan.read_stored()] == [2, 2, 1]
    np.testing.assert_array_equal(np.concatenate(list(scan.read_stored()), axis=2), STORED.transpose(2, 1, 0))


def test_each_slice_has_its_own_rescale(tmp_path):
    folder = write_series(tmp_path / "ct", RescaleSlope=(1, 2, 3, 4, 5), RescaleIntercept=(-1024, 0, 1, -5, 7))
    array = open_dicom(folder).read().restore()
    slopes, intercepts = np.array([1, 2, 3, 4, 5]), np.array([-1024, 0, 1, -5, 7])
    assert array.dtype == np.int16
    np.testing.assert_array_equal(array, STORED.transpose(2, 1, 0) * slopes + intercepts)


def test_one_fraction_makes_the_whole_scan_float(tmp_path):
    folder = write_series(tmp_path / "ct", RescaleSlope=(1, 1, 0.5, 1, 1), RescaleIntercept=-1024)
    slabs = list(open_dicom(folder).read_stored())
    assert {slab.dtype for slab in slabs} == {np.dtype(np.float32)}
    np.testing.assert_allclose(slabs[0], STORED.transpose(2, 1, 0) * [1, 1, 0.5, 1, 1] - 1024)


def test_unsigned_values_beyond_int16_are_clipped(tmp_path):
    stored = np.full((6, 8), 65535, np.uint16)
    stored[0, 0] = 3
    path = save(header((0, 0, 0), PixelRepresentation=0, RescaleIntercept=-1024), tmp_path / "a.dcm", stored)
    array = open_dicom(path).read().restore()
    assert (array[0, 0, 0], array[1, 0, 0]) == (-1021, 32767)


def test_no_rescale_is_said(tmp_path, said):
    folder = write_series(tmp_path / "ct", RescaleSlope=None, RescaleIntercept=None)
    np.testing.assert_array_equal(open_dicom(folder).read().restore(), STORED.transpose(2, 1, 0))
    assert "in 5 slices" in said.messages[0]


@pytest.mark.parametrize("corner", [True, False])
@pytest.mark.parametrize(("padding", "written"), [(7, 7), (-7, 65529)])
def test_padding_becomes_air_where_it_fills_a_corner(tmp_path, corner, padding, written):
    stored = np.full((6, 8), 50, np.int16)
    stored[2, 3] = padding
    stored[0, 0] = padding if corner else 50
    dataset = header((0, 0, 0))
    dataset.add_new("PixelPaddingValue", "US", written)
    array = open_dicom(save(dataset, tmp_path / "a.dcm", stored)).read().array
    assert np.unique(array).tolist() == ([-1000, 50] if corner else [padding, 50])


@pytest.mark.parametrize("rescale", [{}, {"RescaleSlope": None, "RescaleIntercept": None}], ids=["of 0", "absent"])
@pytest.mark.parametrize("padding", [0, 4095])
def test_unsigned_padding_becomes_0_for_it_cannot_hold_air(tmp_path, padding, rescale):
    stored = np.full((6, 8), 50, np.uint16)
    stored[0, 0] = padding
    dataset = header((0, 0, 0), PixelRepresentation=0, **rescale)
    dataset.add_new("PixelPaddingValue", "US", padding)
    assert np.unique(open_dicom(save(dataset, tmp_path / "a.dcm", stored)).read().array).tolist() == [0, 50]


@pytest.mark.parametrize("written", [-2000, 63536])
def test_padding_below_air_stays(tmp_path, written):
    stored = np.full((6, 8), 24, np.int16)
    stored[0, :] = -2000
    dataset = header((0, 0, 0), RescaleIntercept=-1024)
    dataset.add_new("PixelPaddingValue", "SS" if written < 0 else "US", written)
    assert np.unique(open_dicom(save(dataset, tmp_path / "a.dcm", stored)).read().array).tolist() == [-3024, -1000]


def test_rle_compression(tmp_path):
    folder = write_series(tmp_path / "ct")
    for path in folder.iterdir():
        dataset = pydicom.dcmread(path)
        dataset.compress(RLELossless)
        dataset.save_as(path)
    np.testing.assert_array_equal(open_dicom(folder).read().restore(), STORED.transpose(2, 1, 0))


@pytest.mark.parametrize(("compressor", "syntax"), [("JPEG2000", JPEG2000Lossless), ("JPEG", JPEGLosslessSV1)])
def test_jpeg_compression(tmp_path, compressor, syntax):
    writer = sitk.ImageFileWriter()
    writer.SetImageIO("GDCMImageIO")
    writer.SetCompressor(compressor)
    writer.UseCompressionOn()
    folder = write_series(tmp_path / "ct", RescaleIntercept=-1024)
    for index, name in enumerate(SHUFFLED):
        encoded, path = tmp_path / "encoded.dcm", folder / f"{name}.dcm"
        writer.SetFileName(str(encoded))
        writer.Execute(sitk.GetImageFromArray(STORED[index][None]))
        dataset = pydicom.dcmread(path)
        dataset.PixelData = pydicom.dcmread(encoded).PixelData
        dataset["PixelData"].is_undefined_length = True
        dataset.file_meta.TransferSyntaxUID = syntax
        dataset.save_as(path)
        assert pydicom.dcmread(encoded).file_meta.TransferSyntaxUID == syntax
    np.testing.assert_array_equal(open_dicom(folder).read().restore(), STORED.transpose(2, 1, 0) - 1024)


@pytest.mark.parametrize("sop_class", [None, "1.2.840.10008.5.1.4.1.1.7", "1.2.840.10008.5.1.4.1.1.4"])
def test_rescale_is_applied_whatever_the_class(tmp_path, sop_class):
    """Some archives rewrite CT as secondary capture, or lose the class."""
    dataset = header((0, 0, 0), SOPClassUID=sop_class, RescaleIntercept=-1024, RescaleSlope=2)
    if sop_class:
        dataset.file_meta.MediaStorageSOPClassUID = sop_class
    path = save(dataset, tmp_path / "a.dcm", STORED[0])
    np.testing.assert_array_equal(open_dicom(path).read().restore()[..., 0], STORED[0].T * 2 - 1024)


@pytest.mark.parametrize("keep", [0.5, 0.98])
def test_truncated_pixels_are_refused(tmp_path, keep):
    folder = write_series(tmp_path / "ct")
    content = (folder / "e.dcm").read_bytes()
    (folder / "e.dcm").write_bytes(content[: len(content) - int(96 * (1 - keep))])
    with pytest.raises(
        InputError, match=r"e\.dcm: the file is truncated .* 96 bytes, found \d\d \(Explicit VR Little"
    ) as bad:
        open_dicom(folder)
    assert "\n" not in str(bad.value)
