"""Settings of the preparation of studies: size, lung mask, and the limits of studies that are not valid."""

from typing import Annotated, Literal

from pydantic import Field, ValidationError

from pneumoseg.data_io.errors import InputError
from pneumoseg.pipeline.settings.field_types import Group, Level, NotNegative

AxisSize = Annotated[int, Field(ge=4, le=1024)]
MaskSpacing = Annotated[float, Field(ge=1, le=10)]
MaskName = Literal["classical", "model", "lungmask"]


class PreparationSettings(Group):
    """How a CT becomes a study of a cohort file.

    `shape`: (z, y, x) of the resized image; by default that of the thesis "GPU enabled CNN based COVID-19 HRCT images
    classifier" (PSG Tech). `mask`: of the lungs, "classical" (thresholds and components), "model" (the bundled
    segmentation model) or "lungmask" (the package of that name); computed on a grid of about `mask_spacing_mm`.
    `model`: SHA-256 of the files of that model, "" for other masks.

    A study whose lungs take more than `cut_area_cm2` of the first or last slice does not show them whole; the area
    leaves room for noise and the tip of a lobe.

    A study is in expiration where the volume of the lungs on the CT is below `expiration_lung_ml`, their mean above
    `expiration_mean_hu`, and their tenth percentile above `expiration_darkest_hu`. CT volumes are air, tissue and
    blood. At residual volume there are about 1.8 l of air in a woman of 50 years and 1.65 m and 2.2 l in a man of
    1.75 m, at total lung capacity 5.1 and 6.9 l (the reference equations of Quanjer et al., European Respiratory
    Journal 6, Supplement 16, 1993); lungs with their blood weigh 0.95 and 1.2 kg (ICRP Publication 89, 2002). So their
    CT volume rises from 2.7 and 3.3 l to 6.0 and 8.0 l, and their mean, -1000 HU times the share of air, falls from
    -660 to -860 HU. Any limit alone is also crossed in inspiration, by small lungs and by disease; severe disease
    crosses the first two, as a rule not the third, because it spares some lung.
    """

    shape: tuple[AxisSize, AxisSize, AxisSize] = (64, 128, 128)
    mask: MaskName = "classical"
    mask_spacing_mm: MaskSpacing = 2.5
    model: Annotated[str, Field(max_length=64)] = ""
    cut_area_cm2: NotNegative = 15.0
    expiration_lung_ml: NotNegative = 3000.0
    expiration_mean_hu: Level = -700.0
    expiration_darkest_hu: Level = -800.0


def preparation_settings(**values: object) -> PreparationSettings:
    """Settings with these values, the defaults for None. Raises InputError for a value out of range."""
    given = {name: value for name, value in values.items() if value is not None}
    try:
        return PreparationSettings.model_validate(given)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise InputError(f"{first['loc'][0]}: {first['msg'].lower()}, found {first['input']}") from error
