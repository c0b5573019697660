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


AIR_L = {  # at residual volume and total lung capacity, height in m, age in years: Quanjer et al. 1993
    "woman": (lambda h, a: 1.81 * h + 0.016 * a - 2.00, lambda h, a: 6.60 * h - 5.79),
    "man": (lambda h, a: 1.31 * h + 0.022 * a - 1.23, lambda h, a: 7.99 * h - 7.08),
}


@pytest.mark.parametrize(
    ("who", "height_m", "kg", "ct_l", "hu"),
    [("woman", 1.65, 0.95, (2.7, 6.0), (-664, -849)), ("man", 1.75, 1.2, (3.3, 8.0), (-654, -858))],
)
def test_the_limits_of_expiration_lie_between_both_ends_of_a_breath(who, height_m, kg, ct_l, hu):
    settings, air_l = PreparationSettings(), [volume(height_m, 50) for volume in AIR_L[who]]
    found_l = [volume + kg / 1.05 for volume in air_l]
    found_hu = [-1000 * air / whole for air, whole in zip(air_l, found_l, strict=True)]
    assert found_l == pytest.approx(ct_l, abs=0.06)
    assert found_hu == pytest.approx(hu, abs=5)
    assert found_hu[1] < settings.expiration_mean_hu < found_hu[0]
    assert settings.expiration_lung_ml / 1000 < found_l[1]
