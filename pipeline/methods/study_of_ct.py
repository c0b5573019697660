"""A CT of the scanner, as a network for whole studies sees it: prepared as those of its cohort, then predicted."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from pydantic import ValidationError

from pneumoseg.data_io.console import log
from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.volumes.lazy_volume import Scan
from pneumoseg.data_io.volumes.volume import Grid, Volume
from pneumoseg.pipeline.methods.study_prediction import StudyPrediction
from pneumoseg.pipeline.models.study_model import StudyModel
from pneumoseg.pipeline.prediction.grad_cam import grad_cam
from pneumoseg.pipeline.prediction.study_outputs import study_outputs
from pneumoseg.pipeline.preprocessing.resampling import resample
from pneumoseg.pipeline.preprocessing.study_preparation import (
    LungMask,
    PreparedStudy,
    classical_lungs,
    prepare_study,
)
from pneumoseg.pipeline.settings.preparation import PreparationSettings

NOT_CALIBRATED = (
    "The network is not calibrated for other cohorts than the one it was trained on: probability and score of a CT of "
    "another scanner, protocol or population may be wrong. For research only."
)
"""To be said with each prediction of a CT."""


@dataclass(frozen=True, eq=False)
class PredictedCt:
    """`prediction` of a CT, and the CT `prepared` as the network saw it."""

    prediction: StudyPrediction
    prepared: PreparedStudy


def preparation_of(model: StudyModel) -> PreparationSettings:
    """The settings by which the model's cohort was prepared. Raises InputError where the model file holds others than
    this version knows."""
    try:
        return PreparationSettings.model_validate(dict(model.preparation))
    except ValidationError as error:
        places = ", ".join(".".join(map(str, problem["loc"])) for problem in error.errors(include_url=False)[:3])
        raise InputError(
            f"the settings of the preparation in the model file are not those of this version ({places}); prepare the "
            "cohort again and train again"
        ) from error


def predict_ct(
    models: Sequence[StudyModel], scan: Scan, *, lungs_of: LungMask | None = None, name: str = "the CT"
) -> PredictedCt:
    """What models of one cohort, such as the folds of a run, say of a CT in HU on average; it is prepared once, as
    those of their cohort.

    `lungs_of`: finds the lungs, (x, y, z), where the cohort was prepared with another mask than the classical one.
    What makes the CT unfit, such as lungs that are cut off, is warned of by `name`. Raises InputError where the
    preparation
    fails or is not the same for all models, where their outputs differ, where that mask is needed and not given, and
    where no lungs are found but a network sees them alone.
    """
    settings = preparation_of(models[0])
    if any(preparation_of(model) != settings for model in models[1:]):
        raise InputError("models of one cohort are needed, found some whose cohorts were prepared differently")
    heads = models[0].settings.network.heads
    if any(set(model.settings.network.heads) != set(heads) for model in models[1:]):
        raise InputError("models with the same outputs are needed, found some with other heads; predict them apart")
    if lungs_of is None and settings.mask != "classical":
        raise InputError(
            f"the network was trained with the lung mask {settings.mask!r}; give lungs_of, a function that finds lungs "
            "in that way"
        )
    prepared = prepare_study(scan, settings, lungs_of or classical_lungs)
    for problem in prepared.problems:
        log.warning("%s is not as the CTs that the network was trained on: %s", name, problem)
    if not prepared.has_lungs and any(model.settings.input.lungs == "multiplied" for model in models):
        raise InputError(
            "no lungs were found in the CT, and the network sees nothing else; give a CT of the chest in HU"
        )
    outputs = [study_outputs(model, prepared.image, prepared.lungs) for model in models]
    prediction = StudyPrediction(
        probability=_mean([one.probability for one in outputs]),
        score=_mean([one.score for one in outputs]),
        threshold=float(np.mean([model.threshold for model in models])),
    )
    return PredictedCt(prediction, prepared)


def explain_ct(
    models: Sequence[StudyModel], prepared: PreparedStudy, *, head: str, layer: str | None = None
) -> np.ndarray:
    """Grad-CAM of an output for a prepared CT, the mean of all models, float32 (z, y, x), 0 to 1; see
    `grad_cam.grad_cam`, whose errors it raises. `on_ct_grid` takes it to the CT."""
    found = [grad_cam(model, prepared.image, prepared.lungs, head=head, layer=layer) for model in models]
    return np.asarray(np.mean(found, axis=0, dtype=np.float32))


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def on_ct_grid(array: np.ndarray, grid: Grid, stored_grid: Grid) -> Volume:
    """A map of a prepared study, (z, y, x), interpolated linearly to the grid of its CT, float32."""
    return Volume(resample(array.transpose(2, 1, 0), grid.shape, order=1), grid, stored_grid)
