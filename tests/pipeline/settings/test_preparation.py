"""Settings of the preparation: their limits."""

import pytest
from pydantic import ValidationError

from pneumoseg.pipeline.settings.preparation import PreparationSettings


def test_the_defaults_are_those_of_the_thesis():
    settings = PreparationSettings()
    assert settings.shape == (64, 128, 128)
    assert settings.mask == "classical"
    assert PreparationSettings.model_validate(settings.model_dump(mode="json")) == settings


@pytest.mark.parametrize(
    "values", [{"shape": (0, 8, 8)}, {"shape": (8, 8)}, {"mask": "none"}, {"mask_spacing_mm": 0.1}, {"shade": 1}]
)
def test_others_are_refused(values):
    with pytest.raises(ValidationError):
        PreparationSettings(**values)
