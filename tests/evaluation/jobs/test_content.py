"""What files are, whatever their names."""

import gzip

import numpy as np
import pytest
from PIL import Image

from pneumoseg.data_io.phantoms.dicom_series import write_series
from pneumoseg.evaluation.jobs.content import form_of
from tests.evaluation.jobs.uploads import mha_bytes, nifti_bytes, nrrd_bytes, patient, zip_of


@pytest.mark.parametrize(
    ("content", "form"),
    [
        (nifti_bytes(), "nifti.gz"),
        (nifti_bytes(packed=False), "nifti"),
        (nrrd_bytes(), "nrrd"),
        (mha_bytes(), "metaimage"),
        (b"", None),
        (b"\x1f\x8b", None),
        (b"\x1f\x8b\x08" + bytes(200), None),
        (gzip.compress(b"tar archive" * 100), None),
        (b"<html><script>alert(1)</script>", None),
        (b"%PDF-1.7", None),
        (b"GIF89a" + bytes(100), None),
        (b"\x00\x00\x01\x5c" + bytes(340), None),  # a NIfTI header without its letters
        (b"PK", None),
    ],
)
def test_by_first_bytes(tmp_path, content, form):
    (tmp_path / "0").write_bytes(content)
    assert form_of(tmp_path / "0") == form


def test_other_files(tmp_path):
    pixels = np.zeros((4, 4), np.uint8)
    for name, kind in (("PNG", "png"), ("JPEG", "jpeg"), ("TIFF", None)):
        Image.fromarray(pixels).save(tmp_path / "0", name)
        assert form_of(tmp_path / "0") == kind
    assert form_of(zip_of(tmp_path / "z", {"a": b"b"})) == "zip"
    assert form_of(next(write_series(tmp_path / "ct", patient()).iterdir())) == "dicom"
