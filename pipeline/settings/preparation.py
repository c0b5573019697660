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
    blood. Air, in l, is at residual volume 1.81 H + 0.016 A - 2.00 in women and 1.31 H + 0.022 A - 1.23 in men, at
    total lung capacity 6.60 H - 5.79 and 7.99 H - 7.08, for a height of H m and an age of A years (Quanjer et al.,
    European Respiratory Journal 6, Supplement 16, 1993): 1.8 and 5.1 l in a woman of 1.65 m and 50 years, 2.2 and 6.9
    l in a man of 1.75 m. Lungs with their blood weigh 0.95 and 1.2 kg (ICRP Publication 89, 2002), here taken as 1.05
    g/ml and 0 HU. So their CT volume rises from 2.7 and 3.3 l to 6.0 and 8.0 l, and their mean, -1000 HU times the
    share of air, falls from about -660 to -850 HU. The limit of the volume lies between: a man in expiration may be
    above it. Any limit alone is also crossed in inspiration, by small lungs and by disease; severe disease crosses the
    first two, as a rule not the third, because it spares some lung.
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
