"""Settings of prediction, postprocessing and evaluation."""

import pytest
from pydantic import ValidationError

from pneumoseg.pipeline.settings.loading import load_settings
from pneumoseg.pipeline.settings.prediction import EvaluationSettings, PostprocessingSettings, PredictionSettings


def test_postprocessing_is_off_by_default():
    assert not PostprocessingSettings().active


@pytest.mark.parametrize(
    "values",
    [
        {"smallest_infection_ml": 0.1},
        {"largest_component": True},
        {"infection_in_lungs_only": True},
        {"fill_holes": True},
    ],
)
def test_each_correction_makes_postprocessing_active(values):
    assert PostprocessingSettings(**values).active


@pytest.mark.parametrize(
    ("group", "values"),
    [
        (PredictionSettings, {"overlap": 0.96}),
        (PredictionSettings, {"overlap": -0.1}),
        (PredictionSettings, {"mirror_axes": (3,)}),
        (PredictionSettings, {"weights": "linear"}),
        (PostprocessingSettings, {"smallest_infection_ml": -1.0}),
        (PostprocessingSettings, {"lungs": (0, 1)}),
        (EvaluationSettings, {"folds": 1}),
        (EvaluationSettings, {"tolerances_mm": (("infection", -2.0),)}),
    ],
)
def test_values_out_of_range_are_refused(group, values):
    with pytest.raises(ValidationError):
        group(**values)


@pytest.mark.parametrize(
    "preset", ["picture-unet", "slice-unet-dice-cpu", "binary-slice-unet", "multiclass-slice-unet"]
)
def test_pictures_and_slices_have_the_auc_and_volumes_have_not(preset):
    assert load_settings(preset).evaluation.auc
    assert not load_settings("covid-3d-unet").evaluation.auc
