"""A CT of the scanner is prepared as those of the cohort, predicted and explained on its own grid."""

import numpy as np
import pytest

from pneumoseg.data_io.console import warnings_of_this_thread
from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.volumes.lazy_volume import Scan
from pneumoseg.data_io.volumes.volume import Volume
from pneumoseg.pipeline.methods.study_of_ct import explain_ct, on_ct_grid, predict_ct
from pneumoseg.pipeline.models.study_model import StudyModel
from pneumoseg.pipeline.networks.study_networks import build_study_network
from pneumoseg.pipeline.prediction.study_outputs import study_outputs
from pneumoseg.pipeline.settings.loading import load_study_settings
from pneumoseg.pipeline.settings.preparation import PreparationSettings


def model(**preparation) -> StudyModel:
    settings = load_study_settings("hrct-joint", ["input.shape=[4, 8, 8]", "network.filters=[2]"])
    how = PreparationSettings(shape=(4, 8, 8), **preparation).model_dump(mode="json")
    return StudyModel(build_study_network(settings), settings, how, 0.25)


@pytest.fixture
def scan() -> Scan:
    """A CT stored left to right reversed, with one bright block at the right, the front and the top."""
    array = np.full((16, 16, 8), -800, np.int16)
    array[0:4, 12:16, 6:8] = 0
    return Scan.from_volume(Volume.from_source(array, np.diag([-20.0, 20.0, 30.0, 1.0])))


def lungs_of(ct: Volume) -> np.ndarray:
    return np.ones(ct.array.shape, bool)


def test_a_ct_is_predicted_as_a_study_of_its_cohort(scan):
    how = model(mask="model")
    found = predict_ct([how], scan, lungs_of=lungs_of)
    assert found.prepared.image.shape == (4, 8, 8)
    assert found.prepared.image[3, 7, 7] == 0  # top, front, right
    expected = study_outputs(how, found.prepared.image, found.prepared.lungs)
    assert found.prediction.probability == expected.probability
    assert found.prediction.score == expected.score
    assert found.prediction.threshold == 0.25


def test_the_explanation_lies_on_the_grid_of_the_ct(scan):
    how = model(mask="model")
    prepared = predict_ct([how], scan, lungs_of=lungs_of).prepared
    found = on_ct_grid(explain_ct([how], prepared, head="score"), scan.grid, scan.stored_grid)
    assert found.grid.matches(scan.grid)
    assert found.array.shape == scan.grid.shape
    assert found.array.dtype == np.float32
    assert 0 <= found.array.min() <= found.array.max() <= 1


def test_what_makes_a_ct_unfit_is_warned_of(scan):
    with warnings_of_this_thread(hold_back=True) as warnings:
        predict_ct([model(mask="model")], scan, lungs_of=lungs_of)
    assert any("lungs not whole" in warning for warning in warnings)


def test_a_ct_without_lungs_and_a_mask_that_is_not_given_are_refused(scan):
    with pytest.raises(InputError, match="no lungs were found"), warnings_of_this_thread(hold_back=True):
        predict_ct([model(mask="model")], scan, lungs_of=lambda ct: np.zeros(ct.array.shape, bool))
    with pytest.raises(InputError, match="trained with the lung mask 'model'; give lungs_of"):
        predict_ct([model(mask="model")], scan)


def test_a_preparation_of_another_version_is_refused(scan):
    older = StudyModel(model().network, model().settings, {"mask": "by hand"})
    with pytest.raises(InputError, match=r"not those of this version \(mask\)"):
        predict_ct([older], scan)
