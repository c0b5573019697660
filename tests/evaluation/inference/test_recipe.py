import numpy as np
import pytest

from pneumoseg.evaluation.inference.recipe import PredictionOptions, input_sha256, recipe
from pneumoseg.pipeline.prediction.engines import Engine
from pneumoseg.pipeline.prediction.predictor import Member, Predictor
from pneumoseg.pipeline.settings.loading import load_settings


def predictor_of(*changes: str) -> Predictor:
    settings = load_settings("demo", list(changes))
    return Predictor((Member(Engine("test", "float32", np.copy), settings),), {"model": "hash"})


@pytest.mark.parametrize("change", ["prediction.overlap=0.25", "preprocessing.image_order=0"])
def test_settings_decide_how_a_mask_looks(change):
    options = PredictionOptions()
    assert recipe(predictor_of(), options) == recipe(predictor_of(), options) != recipe(predictor_of(change), options)


def test_the_name_of_a_series_is_not_in_it():
    assert "DOE^JANE" not in str(recipe(predictor_of(), PredictionOptions(series="DOE^JANE chest")))


def test_further_channels_count_where_the_model_sees_them(tmp_path):
    for channel in (0, 1):
        (tmp_path / f"a_{channel:04d}.nii").write_bytes(b"x")
    first = tmp_path / "a_0000.nii"
    one, two = predictor_of(), predictor_of("preprocessing.channels=2")
    before = input_sha256(first, one), input_sha256(first, two)
    (tmp_path / "a_0001.nii").write_bytes(b"y")
    assert input_sha256(first, one) == before[0] and input_sha256(first, two) != before[1]
