"""Masks of jobs against references."""

import json

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from pneumoseg.data_io.formats.label_pictures import write_label_picture
from pneumoseg.data_io.formats.slicer_seg import write_seg_nrrd
from pneumoseg.data_io.volumes.labels import LabelTable
from pneumoseg.data_io.volumes.volume import Volume
from pneumoseg.evaluation.jobs.results import write_classes
from pneumoseg.evaluation.jobs.scores import errors, score
from tests.evaluation.jobs.masks import reference_bytes, truth
from tests.evaluation.jobs.uploads import png

TWO = LabelTable(("background", "infection"), ((0, 0, 0), (214, 39, 40)))


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


def test_errors_of_equal_masks():
    labels = np.arange(8).reshape(2, 2, 2) % 4
    assert not errors(labels, labels).any()
