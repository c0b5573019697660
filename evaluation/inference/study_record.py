"""What is written of a predicted CT, and whether a file holds that."""

import importlib.metadata
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.storage.file_names import name_as_text
from pneumoseg.evaluation.measures.agreement import ctsi_percent_over_4
from pneumoseg.evaluation.measures.severity import category
from pneumoseg.evaluation.scoring.study_prediction_files import FIELDS, checked_prediction
from pneumoseg.pipeline.methods.study_of_ct import NOT_CALIBRATED, PredictedCt
from pneumoseg.pipeline.methods.study_prediction import StudyPrediction

KINDS: dict[str, tuple[type, ...]] = {
    "pneumoseg": (str,),
    "source": (str,),
    "source_sha256": (str,),
    "models": (dict,),
    "lung_ml": (int, float),
    "lung_mean_hu": (int, float, type(None)),
    "calibration": (str,),
    "warnings": (list,),
}
"""The types of what a record holds besides the prediction and what follows from it."""


def study_record(
    source: Path, found: PredictedCt, *, sha256: str, models: Mapping[str, str | None], warnings: Sequence[str]
) -> dict:
    """The content of a CT's JSON file. `sha256`: of the CT's files; `models`: hashes of the model files by name."""
    lungs = found.prepared
    return {
        "pneumoseg": importlib.metadata.version("pneumoseg"),
        "source": name_as_text(source.name),
        "source_sha256": sha256,
        "models": dict(models),
        **{name: getattr(found.prediction, name) for name in FIELDS},
        **_consequences(found.prediction),
        "lung_ml": lungs.lung_ml,
        "lung_mean_hu": lungs.lung_mean_hu if math.isfinite(lungs.lung_mean_hu) else None,
        "calibration": NOT_CALIBRATED,
        "warnings": list(warnings),
    }


def checked_record(content: Mapping, origin: str) -> StudyPrediction:
    """The prediction in a record. Raises InputError, `origin` before it, where one of its fields is missing, of another
    type or out of range, and where fields contradict each other."""
    if missing := [name for name in (*KINDS, *FIELDS) if name not in content]:
        raise InputError(f"{origin}: the record of a prediction has {missing[0]}, found none")
    for name, kinds in KINDS.items():
        if type(content[name]) not in kinds:
            raise InputError(f"{origin}: {name} is of another type than predictions have, {str(content[name])[:50]}")
    if content["lung_ml"] < 0:
        raise InputError(f"{origin}: lung_ml is 0 or more, found {content['lung_ml']:g}")
    prediction = checked_prediction({name: content[name] for name in FIELDS}, origin)
    for name, value in _consequences(prediction).items():
        if (given := content.get(name)) != value or type(given) is not type(value):
            raise InputError(f"{origin}: {name} is {value} by probability and score, found {str(given)[:50]}")
    return prediction


def _consequences(prediction: StudyPrediction) -> dict:
    """What follows from the prediction, written for the reader."""
    score = prediction.score
    return {
        "diseased": prediction.diseased,
        "category": None if score is None else category(score),
        "ctsi_percent_over_4": None if score is None else ctsi_percent_over_4(score),
    }
