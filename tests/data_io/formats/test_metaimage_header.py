"""MetaImage headers: what ITK says of sound ones, and one sentence for the others."""

import zlib

import numpy as np
import pytest

from pneumoseg.data_io.formats.metaimage_header import read_metaimage_header
from pneumoseg.data_io.formats.nrrd_metaimage import open_itk_image
from tests.data_io.formats.header_files import (
    STORED,
    VOXELS,
    check_geometry_and_voxels_are_those_of_itk,
    check_refused_in_one_sentence,
    write,
)

SOUND = {"ObjectType": "Image", "NDims": "3", "DimSize": "3 4 5", "ElementType": "MET_SHORT"}


def header(fields=SOUND, data="LOCAL", **changes) -> bytes:
    fields = {name: value for name, value in (fields | changes).items() if value is not None}
    return "".join(f"{name} = {value}\n" for name, value in (fields | {"ElementDataFile": data}).items()).encode()


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"ElementSpacing": "0.7 0.8 2.5", "Offset": "1 -2 3.5"},
        {"ElementSize": "2 3 4", "Position": "1 2 3"},
        {"ElementSize": "2 3 4", "ElementSpacing": "1 1 5", "Origin": "1 2 3"},
        {"TransformMatrix": "0 1 0 0 0 1 1 0 0", "ElementSpacing": "1 2 3"},
        {"Rotation": "0 0 -1 0 1 0 1 0 0"},
        {"Orientation": "-1 0 0 0 -1 0 0 0 1", "AnatomicalOrientation": "LPS"},
        {"TransformMatrix": "1 0 0 0 1 0 0 0.24 0.97"},
        {"Comment": "a = b: c", "BinaryData": "True", "CenterOfRotation": "9 9 9"},
    ],
)
def test_geometry_and_voxels_are_those_of_itk(tmp_path, changes):
    path = write(tmp_path / "scan.mha", header(**changes) + VOXELS)
    check_geometry_and_voxels_are_those_of_itk(path)


@pytest.mark.parametrize("form", [(b"\n", b"\r\n"), (b" = ", b": "), (b" = ", b"="), (b"NDims", b"  NDims")])
def test_other_line_ends_and_separators_are_read(tmp_path, form):
    path = write(tmp_path / "scan.mha", header().replace(*form) + VOXELS)
    np.testing.assert_array_equal(open_itk_image(path).read().restore(), STORED)


@pytest.mark.parametrize(
    ("changes", "content", "dtype"),
    [
        ({"BinaryDataByteOrderMSB": "True"}, STORED.astype(">i2").tobytes(order="F"), "i2"),
        ({"ElementByteOrderMSB": "True"}, STORED.astype(">i2").tobytes(order="F"), "i2"),
        ({"ElementType": "MET_LONG"}, STORED.astype("<i4").tobytes(order="F"), "i4"),
        ({"ElementType": "MET_DOUBLE"}, STORED.astype("<f8").tobytes(order="F"), "f4"),
        ({"CompressedData": "True"}, zlib.compress(VOXELS), "i2"),
        ({"BinaryData": "False"}, " ".join(map(str, STORED.ravel(order="F"))).encode(), "i2"),
        ({"BinaryData": "False"}, "\n".join(map(str, STORED.ravel(order="F"))).encode() + b"\n", "i2"),
    ],
)
def test_the_forms_of_voxels(tmp_path, changes, content, dtype):
    read = open_itk_image(write(tmp_path / "scan.mha", header(**changes) + content)).read().restore()
    np.testing.assert_array_equal(read, STORED)
    assert read.dtype == np.dtype(dtype)


@pytest.mark.parametrize(
    ("spoiled", "message"),
    [
        (header(NDims="1000000"), r"NDims must be a whole number, 1\.\.4, found '1000000'"),
        (header(NDims="-3"), "NDims must be"),
        (header(NDims="3.0"), "NDims must be"),
        (header(NDims="9" * 5000), "NDims must be"),
        (header(NDims=None), "no NDims"),
        (header(DimSize=None), "no DimSize"),
        (header(ElementType=None), "no ElementType"),
        (header(DimSize="-1 4 5"), "DimSize must be a whole number, at least 1, found '-1'"),
        (header(DimSize="0 4 5"), "DimSize must be"),
        (header(DimSize="3 4"), "DimSize must give 3 numbers"),
        (header(DimSize="3 4 5 6"), "DimSize must give 3 numbers"),
        (header(DimSize="3 4 99999999999999999999"), "holds at most 120"),
        (header(ElementNumberOfChannels="1000000000"), "plain numbers, found 1000000000 each"),
        (header(ElementNumberOfChannels="-1"), "ElementNumberOfChannels must be"),
        (header(ElementType="MET_SHORT_ARRAY"), "ElementType must be among"),
        (header(ElementType="MET_" + "X" * 900), "ElementType must be among"),
        (header(ElementSpacing="1 1 0"), "ElementSpacing must be above 0"),
        (header(ElementSpacing="1 1 -2"), "ElementSpacing must be above 0"),
        (header(ElementSpacing="1 1 nan"), "ElementSpacing must be 3 finite numbers"),
        (header(ElementSpacing="1 1"), "ElementSpacing must be 3 finite numbers"),
        (header(Offset="1e300 0 0"), "Offset must be 3 finite numbers"),
        (header(TransformMatrix="1e300 0 0 0 1e300 0 0 0 1e300"), "TransformMatrix must be 9 finite numbers"),
        (header(TransformMatrix="1 0 0 0 1 0"), "TransformMatrix must be 9 finite numbers"),
        (header(TransformMatrix=" ".join("0" * 9)), "invertible"),
        (header(HeaderSize="-2"), "HeaderSize must be"),
        (header(HeaderSize="x"), "HeaderSize must be"),
        (header(BinaryDataByteOrderMSB="maybe"), "BinaryDataByteOrderMSB must be True or False"),
        (header(BinaryData="False", CompressedData="True"), "CompressedData is for binary voxels"),
        (header(CompressedData="True", HeaderSize="-1"), "not compressed"),
        (b"NDims = 2\n" + header(), "NDims is given twice"),
        (header().partition(b"ElementDataFile")[0], "does not end with ElementDataFile|no text"),
        (b"Comment = " + b"x" * 10_000_000 + b"\n" + header(), "lines of at most"),
        (b"Comment = x\n" * 1_000_000 + header(), "lines of at most"),
        (b"Comment = \0\n" + header(), "the header is no text"),
        (bytes(range(256)) * 100, "not a readable"),
    ],
)
def test_a_damaged_header_is_one_sentence_that_names_the_file(tmp_path, spoiled, message):
    path = write(tmp_path / "scan.mha", spoiled + VOXELS)
    check_refused_in_one_sentence(path, message)


def test_a_scale_of_the_values_is_reported_as_not_applied(tmp_path, said):
    path = write(tmp_path / "scan.mha", header(ElementToIntensityFunctionSlope="2") + VOXELS)
    np.testing.assert_array_equal(open_itk_image(path).read().restore(), STORED)
    assert "ElementToIntensityFunctionSlope = 2 is not applied" in said.text


def test_nothing_is_read_of_the_voxels_before_they_are_asked_for(tmp_path):
    found = read_metaimage_header(write(tmp_path / "scan.mhd", header(data="gone.raw")))
    assert found.shape == (3, 4, 5)
    assert [file.name for file in found.voxels.files] == ["gone.raw"]
