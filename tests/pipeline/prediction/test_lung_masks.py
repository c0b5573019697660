"""The lung masks by name; lungmask is tested with a stub, as its weights come from the internet."""

import sys
from types import ModuleType

import numpy as np
import pytest

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.volumes.volume import Volume
from pneumoseg.pipeline.prediction import lung_masks
from pneumoseg.pipeline.prediction.lung_masks import lung_mask_of, model_hash, model_lungs, with_model
from pneumoseg.pipeline.preprocessing.study_preparation import classical_lungs
from pneumoseg.pipeline.settings.preparation import PreparationSettings


def ct():
    return Volume.from_source(np.zeros((4, 5, 6), np.float32), np.eye(4))


def test_the_classical_mask_needs_no_package():
    assert lung_mask_of(PreparationSettings()) is classical_lungs
    assert with_model(PreparationSettings()).model == ""


def test_lungmask_is_asked_for_slices_from_the_front_and_the_right(monkeypatch):
    given = []

    class LMInferer:
        def apply(self, slices):
            given.append(slices)
            found = np.zeros(slices.shape, np.uint8)
            found[5, 0, 3] = 2  # the uppermost slice, frontmost row, leftmost column
            return found

    module = ModuleType("lungmask")
    module.LMInferer = LMInferer
    monkeypatch.setitem(sys.modules, "lungmask", module)
    lungs = lung_mask_of(PreparationSettings(mask="lungmask"))(ct())
    assert given[0].shape == (6, 5, 4)
    assert lungs.shape == (4, 5, 6)
    assert np.argwhere(lungs).tolist() == [[0, 4, 5]]  # x to the right, y to the front, z up


def test_lungmask_that_is_not_installed_is_refused(monkeypatch):
    monkeypatch.setitem(sys.modules, "lungmask", None)
    with pytest.raises(InputError, match="pip install lungmask; or use classical or model"):
        lung_mask_of(PreparationSettings(mask="lungmask"))


def test_the_models_lungs_are_all_its_classes(monkeypatch):
    classes = np.arange(120).reshape(4, 5, 6) % 4
    monkeypatch.setattr(
        "pneumoseg.pipeline.prediction.segment.segment", lambda volume: volume.with_array(classes.astype(np.uint8))
    )
    np.testing.assert_array_equal(model_lungs(ct()), classes > 0)


def test_another_version_of_the_model_is_refused(monkeypatch):
    settings = with_model(PreparationSettings(mask="model"))
    assert settings.model == model_hash()
    assert lung_mask_of(settings) is model_lungs
    monkeypatch.setattr(lung_masks, "model_hash", lambda: "0" * 64)
    with pytest.raises(InputError, match="another version of the bundled model"):
        lung_mask_of(settings)
