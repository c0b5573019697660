"""The prediction of a study as a JSON file, checked when it is read."""

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.storage.json_files import read_json
from pneumoseg.pipeline.methods.study_prediction import StudyPrediction

LARGEST = {"probability": 1.0, "score": 100.0, "threshold": 1.0}
FIELDS = tuple(field.name for field in fields(StudyPrediction))


def read_prediction(path: Path) -> StudyPrediction:
    """The prediction in a JSON file. Raises InputError as `checked_prediction`."""
    return checked_prediction(read_json(path, "the prediction of a study", dict), f"{path}")


def checked_prediction(content: Mapping, origin: str) -> StudyPrediction:
    """The prediction with these fields. Raises InputError for other fields, values out of range, and where neither a
    probability nor a score is given; `origin` names it there."""
    if set(content) != set(FIELDS):
        raise InputError(f"{origin}: a prediction of a study has {', '.join(FIELDS)}; found {', '.join(content)}")
    for name, limit in LARGEST.items():
        value = content[name]
        if value is None and name != "threshold":
            continue
        if type(value) not in (int, float) or not 0 <= value <= limit:
            raise InputError(f"{origin}: {name} lies between 0 and {limit:g}, found {str(value)[:50]}")
    if content["probability"] is None and content["score"] is None:
        raise InputError(f"{origin}: a probability, a score or both are needed, found neither")
    return StudyPrediction(**content)
