"""The results of segmentations: those of the command line, and what a page shows beside them."""

import json

import nibabel as nib
import numpy as np
import pytest
from PIL import Image
from pydicom import dcmread

from pneumoseg.data_io.formats.reading import read_labels
from pneumoseg.data_io.phantoms.dicom_series import write_series
from pneumoseg.data_io.volumes.labels import LUNG_LABELS
from pneumoseg.evaluation.inference import batch
from pneumoseg.evaluation.inference.batch import predict_files
from pneumoseg.evaluation.inference.outputs import Output
from pneumoseg.evaluation.inference.recipe import PredictionOptions
from pneumoseg.evaluation.jobs import segmentation
from tests.evaluation.jobs.stub_models import of_cts, of_pictures
from tests.evaluation.jobs.uploads import nifti_bytes, patient, png, zip_of_folder


def names(store, job):
    return [one.name for one in store.results(job.id)]


def result(store, job, name):
    path = store.result_path(job.id, name)
    return json.loads(path.read_text("utf-8")) if name.endswith(".json") else path


def test_a_ct_as_nifti(store, done, tmp_path):
    job = done(nifti_bytes(affine=patient().grid.affine))
    assert (job.state, job.error) == ("finished", None)
    assert names(store, job) == [
        *("mask.nii.gz", "image.nii.gz", "preview.png", "severity.json", "trust.json", "statistics.json"),
        *("labels.json", "manifest.json"),
    ]
    assert job.public_dict()["model"] == "lungs"
    (tmp_path / "ct.nii.gz").write_bytes(nifti_bytes(affine=patient().grid.affine))
    output = Output(tmp_path / "cli" / "mask.nii.gz")
    predict_files({tmp_path / "ct.nii.gz": output}, of_cts(), options=PredictionOptions())
    assert result(store, job, "mask.nii.gz").read_bytes() == output.mask.read_bytes()
    image = nib.load(result(store, job, "image.nii.gz"))
    assert image.get_data_dtype() == np.int16
    np.testing.assert_array_equal(np.asarray(image.dataobj), patient().array)
    np.testing.assert_array_equal(image.affine, patient().grid.affine)
    severity = result(store, job, "severity.json")["severity"]
    assert severity["infection_left_ml"] == pytest.approx(24 * 0.012)
    assert severity["ground_glass_left_ml"] == pytest.approx(24 * 0.012)
    assert result(store, job, "statistics.json")["lung_right_ml"] == pytest.approx(960 * 0.012)
    assert result(store, job, "trust.json")["verdict"] is None
    assert [one["name"] for one in result(store, job, "labels.json")] == list(LUNG_LABELS.names)
    assert result(store, job, "manifest.json")["labels"] == list(LUNG_LABELS.names)
    assert all("/" not in warning for warning in job.warnings)
    assert str(tmp_path) not in result(store, job, "manifest.json").__repr__()


def test_a_ct_is_read_once(done, monkeypatch):
    opened = []
    real = segmentation.open_input
    monkeypatch.setattr(segmentation, "open_input", lambda path: opened.append(path) or real(path))
    monkeypatch.setattr(batch, "open_input", None)
    assert done(nifti_bytes()).state == "finished"
    assert len(opened) == 1


def test_a_ct_as_dicom(store, done, tmp_path):
    series = write_series(tmp_path / "s", patient(), patient_id="Sylvia")
    job = done(zip_of_folder(tmp_path / "z", series).read_bytes())
    assert (job.state, job.error) == ("finished", None)
    assert {"mask.nii.gz", "mask.dcm", "measurements.dcm", "image.nii.gz", "preview.png"} <= set(names(store, job))
    encoded = read_labels(result(store, job, "mask.dcm").rename(tmp_path / "mask.dcm"), LUNG_LABELS)
    mask = read_labels(result(store, job, "mask.nii.gz"), LUNG_LABELS)
    np.testing.assert_array_equal(np.bincount(mask.array.ravel())[1:], [336, 960, 24])
    np.testing.assert_array_equal(np.bincount(encoded.array.ravel())[1:], [336, 960, 24])
    stored = dcmread(store.folder_of(job.id) / "input/ct/00001.dcm")
    referenced = dcmread(tmp_path / "mask.dcm")
    assert referenced.ReferencedSeriesSequence[0].SeriesInstanceUID == stored.SeriesInstanceUID
    assert referenced.PatientID == stored.PatientID != "Sylvia"
    for path in store.folder_of(job.id).rglob("*"):
        assert path.is_dir() or b"Sylvia" not in path.read_bytes()


def test_the_dicom_results_are_those_of_the_command_line(store, done, tmp_path):
    series = write_series(tmp_path / "s", patient())
    job = done(zip_of_folder(tmp_path / "z", series).read_bytes(), key=None)
    output = Output(tmp_path / "cli" / "mask.seg.dcm")
    options = PredictionOptions(report=True, statistics=True, calibration="no calibration")
    predict_files({series: output}, of_cts(), options=options)
    ours, theirs = dcmread(result(store, job, "mask.dcm")), dcmread(output.mask)
    assert ours.PixelData == theirs.PixelData
    assert ours.SOPInstanceUID == theirs.SOPInstanceUID
    assert dcmread(result(store, job, "measurements.dcm")).SOPInstanceUID == dcmread(output.report).SOPInstanceUID


def picture():
    pixels = np.full((16, 24), 40, np.uint8)
    pixels[8:, 12:] = 200
    pixels[0, 0] = 90
    return pixels


def test_a_picture(store, done, tmp_path):
    job = done(png(tmp_path / "p.png", picture()).read_bytes())
    assert (job.state, job.error, job.request.model) == ("finished", None, "pictures")
    assert names(store, job) == [
        *("mask.png", "image.png", "side-by-side.png", "trust.json", "labels.json", "manifest.json")
    ]
    output = Output(tmp_path / "cli" / "mask.png")
    predict_files({tmp_path / "p.png": output}, of_pictures(), options=PredictionOptions())
    assert result(store, job, "mask.png").read_bytes() == output.mask.read_bytes()
    with Image.open(result(store, job, "image.png")) as image:
        np.testing.assert_array_equal(np.asarray(image), picture())
    with Image.open(result(store, job, "side-by-side.png")) as beside:
        assert beside.size == (2 * 24 + 4, 16)
