"""Data sets that are compressed as a whole."""

import io
import struct
import zlib

import numpy as np
import pytest
from pydicom.uid import DeflatedExplicitVRLittleEndian

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.dicom.ct import open_dicom
from pneumoseg.data_io.formats.dicom.deflated import data_stream
from pneumoseg.data_io.formats.dicom.recognition import HEAD_BYTES
from tests.data_io.formats.dicom.dicom_files import STORED, header, save


def deflated(path):
    dataset = header((0, 0, 0))
    dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    return save(dataset, path, STORED[0])


def test_the_inflated_file_ends_with_the_pixels(tmp_path):
    path = deflated(tmp_path / "a.dcm")
    content = path.read_bytes()
    inflated = data_stream(path, io.BytesIO(content), content[:HEAD_BYTES]).read()
    assert inflated[128:132] == b"DICM"
    assert STORED[0].tobytes() not in content
    assert inflated.rstrip(b"\0").endswith(STORED[0].tobytes().rstrip(b"\0"))
    np.testing.assert_array_equal(open_dicom(path).read().restore()[..., 0], STORED[0].T)


def test_other_files_are_given_as_they_are(tmp_path):
    content = save(header((0, 0, 0)), tmp_path / "a.dcm", STORED[0]).read_bytes()
    stream = io.BytesIO(content)
    assert data_stream(tmp_path / "a.dcm", stream, stream.read(HEAD_BYTES)) is stream
    assert stream.read() == content


def test_a_deflated_file_that_was_cut_is_refused(tmp_path):
    path = deflated(tmp_path / "a.dcm")
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(InputError, match=r"a\.dcm"):
        open_dicom(path).read()


def test_a_deflated_file_that_inflates_without_end_is_refused(tmp_path):
    path = deflated(tmp_path / "a.dcm")
    content = path.read_bytes()
    end = 144 + struct.unpack("<I", content[140:144])[0]
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    path.write_bytes(content[:end] + packer.compress(bytes(80_000_000)) + packer.flush())
    with pytest.raises(InputError, match=r"a\.dcm: a deflated slice of at most 67108864 bytes"):
        open_dicom(path)
