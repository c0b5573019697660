"""What is taken for the reference of a mask; scores against it are tested in test_scores.py."""

import numpy as np
import pytest

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.dicom.deidentification.key_file import fresh_key
from pneumoseg.data_io.phantoms.dicom_series import write_series
from pneumoseg.data_io.volumes.volume import Volume
from pneumoseg.evaluation.inference.batch import predict_files
from pneumoseg.evaluation.inference.outputs import Output
from pneumoseg.evaluation.inference.recipe import PredictionOptions
from pneumoseg.evaluation.jobs.intake import take_in
from pneumoseg.evaluation.jobs.references import read_pair
from tests.evaluation.jobs.masks import reference_bytes, truth
from tests.evaluation.jobs.stub_models import of_cts
from tests.evaluation.jobs.uploads import nifti_bytes, patient, png, zip_of


@pytest.fixture
def read(tmp_path, parent):
    def send(content: bytes, source=None, key=None):
        for name in ("upload", "work"):
            (tmp_path / name).mkdir(exist_ok=True)
        (tmp_path / "upload" / "0").write_bytes(content)
        return read_pair(tmp_path / "upload", parent, source or tmp_path / "ct.nii.gz", work=tmp_path / "work", key=key)

    return send


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda one: Volume.from_source(one.array[:-1], one.grid.affine), "shape"),
        (lambda one: Volume.from_source(one.array, one.grid.affine + np.diag([0, 0, 0.5, 0])), "same place"),
        (lambda one: Volume.from_source(one.array, one.grid.affine + 9 * np.eye(4, k=3)), "same place"),
        (lambda one: one.with_array(one.array * 50), "labels must be"),
    ],
)
def test_a_reference_of_another_ct(tmp_path, read, change, reason):
    with pytest.raises(InputError, match=reason):
        read(reference_bytes(tmp_path, change(truth())))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "one file with content"),
        (b"text", "found another kind of file"),
        (b"PK\x03\x04", "found another kind of file"),
        (nifti_bytes(affine=patient().grid.affine), "labels must be"),
        (nifti_bytes()[:-1500], "truncated|damaged"),
    ],
)
def test_what_is_no_reference(read, content, reason):
    with pytest.raises(InputError, match=reason):
        read(content)


def test_the_reference_of_a_volume_is_no_picture(tmp_path, read):
    with pytest.raises(InputError, match="the reference of a volume is a volume"):
        read(png(tmp_path / "p.png", np.zeros((4, 4), np.uint8)).read_bytes())


def test_a_dicom_segmentation_is_of_the_series_as_it_is_stored_here(tmp_path, read):
    key = fresh_key()
    references = {}
    for name, seed in (("own", 0), ("other", 1)):
        series = write_series(tmp_path / name, patient(), seed=seed)
        output = Output(tmp_path / f"{name}.seg.dcm")
        predict_files({series: output}, of_cts(), options=PredictionOptions())
        references[name] = output.mask.read_bytes()
    (tmp_path / "job/upload").mkdir(parents=True)
    files = {file.name: file.read_bytes() for file in (tmp_path / "own").iterdir()}
    zip_of(tmp_path / "job/upload/0", files)
    taken = take_in(tmp_path / "job/upload", tmp_path / "job/input", key=key)
    source = tmp_path / "job/input" / taken.path
    reference, mask, _ = read(references["own"], source, key)
    np.testing.assert_array_equal(reference.array, truth().array)
    assert np.count_nonzero(mask.array != truth().array) == 8
    with pytest.raises(InputError, match="another DICOM series"):
        read(references["other"], source, key)
