"""The method with a stub in MIScnn's place."""

import json

import numpy as np
import pandas as pd
import pytest

from pneumoseg.data_io.console import warnings_of_this_thread
from pneumoseg.data_io.datasets.layouts import open_dataset
from pneumoseg.data_io.datasets.loaded_case import LoadedCase
from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.nifti import write_label_nifti
from pneumoseg.data_io.volumes.labels import LUNG_LABELS
from pneumoseg.data_io.volumes.volume import Volume
from pneumoseg.pipeline.methods.miscnn.method import MiscnnReference
from pneumoseg.pipeline.models.model_file import TrainedModel
from pneumoseg.pipeline.settings.loading import load_settings

LPS = np.array([[-2.0, 0, 0, 5], [0, -2.0, 0, 7], [0, 0, 3.0, -9], [0, 0, 0, 1]])


@pytest.fixture
def method(stub_environment):
    return MiscnnReference(load_settings("miscnn", ["training.epochs=1"]), stub_environment)


@pytest.fixture
def save_cases(tmp_path):
    def save(*names, shape=(4, 5, 6), affine=LPS):
        for name in names:
            labels = np.arange(np.prod(shape), dtype=np.uint8).reshape(shape) % 4
            for file in ("imaging.nii.gz", "segmentation.nii.gz"):
                write_label_nifti(tmp_path / "data" / name / file, Volume.from_source(labels, affine), LUNG_LABELS)
        return open_dataset(tmp_path / "data")

    return save


def test_training_leaves_weights_history_and_log(method, save_cases, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    cases, folder = save_cases("one", "two"), tmp_path / "fold_0"
    folder.mkdir()
    weights = method.fit(cases, folder.relative_to(tmp_path))
    job = json.loads(weights.read_text())
    assert job["cases"] == ["one", "two"]
    assert job["configuration"]["epochs"] == 1
    history = pd.read_csv(folder / "history.csv")
    assert list(history) == ["epoch", "loss", "learning_rate", "seconds", "tversky", "soft_dice", "dice_crossentropy"]
    assert history.iloc[0].tolist() == [0, 4, 0.001, 1.5, 3, 0.25, 2]
    assert "words of MIScnn" in (folder / "miscnn.log").read_text()
    assert {path.name for path in folder.iterdir()} == {"history.csv", "miscnn.log", "model.hdf5"}


def test_prediction_lies_where_the_image_does(method, save_cases, tmp_path):
    cases = save_cases("one", "two")
    weights = method.fit(cases, tmp_path / "fold_0")
    image, mask = cases.case("one").read_pair(4)
    found = method.predict(weights, LoadedCase(cases.case("one")))
    assert found.array.dtype == np.uint8
    np.testing.assert_array_equal(found.array, mask.array)
    np.testing.assert_array_equal(found.restore(), mask.restore())
    assert found.grid.matches(image.grid)


def test_a_finished_training_is_kept_and_another_begins_again(method, save_cases, tmp_path):
    cases, folder = save_cases("one", "two"), tmp_path / "fold_0"
    weights = method.fit(cases, folder)
    weights.write_text("as it was")
    assert method.fit(cases, folder, resume=True).read_text() == "as it was"
    weights.unlink()
    (folder / ".miscnn" / "data" / "old").mkdir(parents=True)
    method.fit(cases, folder, resume=True)
    assert json.loads(weights.read_text())["cases"] == ["one", "two"]
    log = (folder / "miscnn.log").read_text()
    assert log.count("words of MIScnn") == 1
    assert "['one', 'two']" in log


def test_a_failure_ends_in_one_sentence(method, save_cases, tmp_path):
    with pytest.raises(InputError, match=r"exit 1\): ValueError: the stub was told to fail; .*fold_0/miscnn.log"):
        method.fit(save_cases("bad", "good"), tmp_path / "fold_0")
    assert {path.name for path in (tmp_path / "fold_0").iterdir()} == {"miscnn.log"}


def test_a_bad_case_is_told_before(method, save_cases, tmp_path):
    cases = save_cases("one", "two")
    assert method.prepare(cases).is_file()
    with pytest.raises(InputError, match="case flat: MIScnn needs two slices"):
        method.prepare(save_cases("flat", shape=(4, 4, 1)).select(["flat"]))
    sagittal = LPS[:, [1, 2, 0, 3]]
    with pytest.raises(InputError, match=r"case turned: MIScnn needs voxels in the order .* found PSL"):
        method.prepare(save_cases("turned", affine=sagittal).select(["turned"]))
    (tmp_path / "data" / "one" / "segmentation.nii.gz").write_bytes(b"words")
    with pytest.raises(InputError, match="case one"):
        method.prepare(cases)


def test_settings_that_miscnn_does_not_know_make_no_method(tmp_path):
    with pytest.raises(InputError, match=r"prediction\.weights=gaussian"):
        MiscnnReference(load_settings("covid-3d-unet-reference"), tmp_path)


def test_it_begins_with_no_model_of_ours(method, save_cases, tmp_path):
    with pytest.raises(InputError, match="start model"):
        method.fit(save_cases("one"), tmp_path, start_from=TrainedModel(None, method.settings))


def test_its_settings_are_a_settings_file_that_names_it(method, tmp_path):
    text = method.describe()
    assert text.startswith("# Trained and predicted by miscnn==1.4.0 with batchgenerators==0.21 ")
    (tmp_path / "settings.yaml").write_text(text)
    assert load_settings(tmp_path / "settings.yaml") == method.settings
    assert "smallest training loss" in method.model_choice


@pytest.mark.parametrize("axes", [(0, 1), (0, 2), (1, 2)])
def test_a_turned_grid_whose_spacing_miscnn_would_misread_is_refused(method, save_cases, axes):
    def turned(degrees):
        turn = np.eye(4)
        cosine, sine = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
        turn[np.ix_(axes, axes)] = [[cosine, -sine], [sine, cosine]]
        return turn @ np.diag([-0.7, -0.7, 0.7, 1])

    assert method.prepare(save_cases("tilted", affine=turned(7))).is_file()
    with pytest.raises(InputError, match=r"case oblique: MIScnn takes .* found .*0\.61.* for \[0\.7, 0\.7, 0\.7\] mm"):
        method.prepare(save_cases("oblique", affine=turned(30)))


def test_cases_that_miscnn_would_misunderstand(method, save_cases, tmp_path):
    cases = save_cases("one", "two")
    valid = np.ones((4, 5, 6), np.uint8)
    for case in cases:
        write_label_nifti(case.image.with_name("valid.nii.gz"), Volume.from_source(valid, LPS), LUNG_LABELS)
    with warnings_of_this_thread() as warnings:
        method.prepare(open_dataset(tmp_path / "data"))
    assert any("outside the valid masks of one, two" in warning for warning in warnings)
    (tmp_path / "data" / "patients.csv").write_text("case,patient,labels_present\none,a,\ntwo,b,infection\n")
    with pytest.raises(InputError, match="case two: MIScnn needs masks of all classes"):
        method.prepare(open_dataset(tmp_path / "data"))
