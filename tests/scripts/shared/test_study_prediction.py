"""`predict` with networks for whole studies, as its flags and its words."""

import pytest

from pneumoseg.data_io.errors import InputError
from pneumoseg.pipeline.models.bundled import bundled_model
from pneumoseg.scripts.shared.study_prediction import is_study_model


def test_a_segmentation_model_is_none():
    assert not is_study_model([str(bundled_model())], None)
    with pytest.raises(InputError, match="no model there"):
        is_study_model(["nowhere"], None)
