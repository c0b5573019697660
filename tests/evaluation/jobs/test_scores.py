"""Masks of jobs against references."""

import json

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.dicom.deidentification.key_file import fresh_key
from pneumoseg.data_io.formats.label_pictures import write_label_picture
from pneumoseg.data_io.formats.nifti import write_label_nifti
from pneumoseg.data_io.formats.slicer_seg import write_seg_nrrd
from pneumoseg.data_io.phantoms.dicom_series import write_series
from pneumoseg.data_io.volumes.labels import LUNG_LABELS, LabelTable
from pneumoseg.data_io.volumes.volume import Volume
from pneumoseg.evaluation.inference.batch import predict_files
from pneumoseg.evaluation.inference.outputs import Output
from pneumoseg.evaluation.inference.recipe import PredictionOptions
from pneumoseg.evaluation.jobs.intake import take_in
from pneumoseg.evaluation.jobs.results import write_classes
from pneumoseg.evaluation.jobs.scores import errors, score
from tests.evaluation.jobs.stub_models import of_cts
from tests.evaluation.jobs.uploads import nifti_bytes, patient, png, zip_of

TWO = LabelTable(("background", "infection"), ((0, 0, 0), (214, 39, 40)))
CLASSES = {-900: 1, -800: 2, -400: 3}


def truth() -> Volume:
    image = patient()
    labels = np.zeros(image.array.shape, np.uint8)
    for hu, number in CLASSES.items():
        labels[image.array == hu] = number
    return image.with_array(labels)


@pytest.fixture
def parent(tmp_path):
    """The results of a job on `patient` whose mask misses a slice of infection and has some too much."""
    folder = tmp_path / "parent"
    folder.mkdir()
    mask = truth().array.copy()
    mask[:, :, 4][mask[:, :, 4] == 3] = 0
    mask[0, 0, 0] = 3
    mask[3, 6, 3] = 2
    write_label_nifti(folder / "mask.nii.gz", truth().with_array(mask), LUNG_LABELS)
    write_classes(folder / "labels.json", LUNG_LABELS)
    (tmp_path / "ct.nii.gz").write_bytes(nifti_bytes(affine=patient().grid.affine))
    return folder


@pytest.fixture
def scored(tmp_path, parent):
    def send(content: bytes, source=None, key=None):
        for name in ("upload", "made", "work"):
            (tmp_path / name).mkdir(exist_ok=True)
        (tmp_path / "upload" / "0").write_bytes(content)
        score(
            tmp_path / "upload", parent, source or tmp_path / "ct.nii.gz", tmp_path / "made",
            work=tmp_path / "work", key=key,
        )  # fmt: skip
        return json.loads((tmp_path / "made" / "scores.json").read_text("utf-8"))

    return send


def reference_bytes(tmp_path, volume=None, write=write_label_nifti, name="r.nii.gz") -> bytes:
    write(tmp_path / name, volume or truth(), LUNG_LABELS)
    return (tmp_path / name).read_bytes()


def test_a_reference_of_the_same_grid(tmp_path, scored):
    rows = {row["class"]: row for row in scored(reference_bytes(tmp_path))["scores"]}
    missed, whole = 3 * 2, 24
    assert rows["infection"]["dice"] == pytest.approx(2 * (whole - missed) / (whole + whole - missed + 1))
    assert rows["lung_right"]["dice"] == pytest.approx(2 * 960 / (960 + 961))
    wrong = np.asarray(nib.load(tmp_path / "made/errors.nii.gz").dataobj)
    assert np.bincount(wrong.ravel()).tolist() == [24 * 20 * 16 - missed - 2, missed, 1, 1]
    assert (wrong[0, 0, 0], wrong[3, 6, 3]) == (2, 3)
    given = np.asarray(nib.load(tmp_path / "made/reference.nii.gz").dataobj)
    np.testing.assert_array_equal(given, truth().array)


def test_a_reference_of_slicer(tmp_path, scored):
    rows = scored(reference_bytes(tmp_path, write=write_seg_nrrd, name="r.seg.nrrd"))["scores"]
    assert {row["class"] for row in rows} >= {"lung_left", "lung_right", "infection"}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda one: Volume.from_source(one.array[:-1], one.grid.affine), "shape"),
        (lambda one: Volume.from_source(one.array, one.grid.affine + np.diag([0, 0, 0.5, 0])), "same place"),
        (lambda one: Volume.from_source(one.array, one.grid.affine + 9 * np.eye(4, k=3)), "same place"),
        (lambda one: one.with_array(one.array * 50), "labels must be"),
    ],
)
def test_a_reference_of_another_ct(tmp_path, scored, change, reason):
    with pytest.raises(InputError, match=reason):
        scored(reference_bytes(tmp_path, change(truth())))
    assert not (tmp_path / "made" / "scores.json").exists()


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
def test_what_is_no_reference(scored, content, reason):
    with pytest.raises(InputError, match=reason):
        scored(content)


def test_the_reference_of_a_volume_is_no_picture(tmp_path, scored):
    with pytest.raises(InputError, match="the reference of a volume is a volume"):
        scored(png(tmp_path / "p.png", np.zeros((4, 4), np.uint8)).read_bytes())


def test_the_reference_of_a_picture(tmp_path):
    folders = [tmp_path / name for name in ("parent", "upload", "made", "work")]
    for folder in folders:
        folder.mkdir()
    labels = np.zeros((24, 16, 1), np.uint8)
    labels[12:, 8:] = 1
    mask = Volume.from_source(labels, np.diag([-1.0, -1.0, 1.0, 1.0]))
    write_label_picture(folders[0] / "mask.png", mask, TWO)
    write_classes(folders[0] / "labels.json", TWO)
    shaded = np.arange(16 * 24, dtype=np.uint8).reshape(16, 24)
    png(tmp_path / "picture.png", shaded)
    (folders[1] / "0").write_bytes((folders[0] / "mask.png").read_bytes())
    score(folders[1], folders[0], tmp_path / "picture.png", folders[2], work=folders[3], key=None)
    rows = json.loads((folders[2] / "scores.json").read_text("utf-8"))["scores"]
    assert [row["dice"] for row in rows] == [1.0, 1.0]
    with Image.open(folders[2] / "side-by-side.png") as beside:
        assert beside.size == (3 * 24 + 2 * 4, 16)


def test_a_dicom_segmentation_is_of_the_series_as_it_is_stored_here(tmp_path, parent, scored):
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
    rows = {row["class"]: row for row in scored(references["own"], source, key)["scores"]}
    assert rows["lung_right"]["dice"] == pytest.approx(2 * 960 / (960 + 961))
    with pytest.raises(InputError, match="another DICOM series"):
        scored(references["other"], source, key)


def test_errors_of_equal_masks():
    labels = np.arange(8).reshape(2, 2, 2) % 4
    assert not errors(labels, labels).any()
