"""The record of a predicted CT: what it holds, and what is refused when it is read."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from pneumoseg.data_io.errors import InputError
from pneumoseg.evaluation.inference.study_record import checked_record, study_record
from pneumoseg.pipeline.methods.study_of_ct import PredictedCt
from pneumoseg.pipeline.methods.study_prediction import StudyPrediction
from pneumoseg.pipeline.preprocessing.study_preparation import PreparedStudy


def record(prediction, mean_hu=-812.5) -> dict:
    empty = np.zeros((1, 1, 1))
    study = PreparedStudy(empty, empty, (1.0, 1.0, 1.0), 4000.0, mean_hu, 60, "c" * 64, ())
    found = PredictedCt(prediction, study)
    return study_record(Path("cts/one.nii.gz"), found, sha256="a" * 64, models={"m": "b" * 64}, warnings=["dark"])


@pytest.mark.parametrize(
    "prediction", [StudyPrediction(0.25, 43.03, 0.3), StudyPrediction(None, 100.0), StudyPrediction(0.5, None)]
)
def test_what_is_written_is_read(prediction):
    content = json.loads(json.dumps(record(prediction), allow_nan=False))
    assert checked_record(content, "one.json") == prediction
    assert content["source"] == "one.nii.gz"


def test_what_follows_from_the_prediction_is_written_for_the_reader():
    content = record(StudyPrediction(0.25, 43.03, 0.3), mean_hu=math.nan)
    assert (content["diseased"], content["category"], content["ctsi_percent_over_4"]) == (False, "Moderate", 10)
    assert content["lung_mean_hu"] is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"probability": 1.5}, "one.json: probability lies between 0 and 1, found 1.5"),
        ({"probability": "0.5"}, "probability lies between 0 and 1, found 0.5"),
        ({"source_sha256": 3}, "source_sha256 is of another type"),
        ({"score": True}, "score lies between 0 and 100, found True"),
        ({"threshold": None}, "threshold lies between"),
        ({"diseased": True}, "diseased is False by probability and score, found True"),
        ({"category": "Critical"}, "category is Moderate by probability and score, found Critical"),
        ({"ctsi_percent_over_4": 11}, "ctsi_percent_over_4 is 10"),
        ({"models": ["b"]}, "models is of another type"),
        ({"lung_ml": -1.0}, "lung_ml is 0 or more, found -1"),
        ({"lung_ml": True}, "lung_ml is of another type"),
    ],
)
def test_what_no_prediction_writes_is_refused(changes, message):
    with pytest.raises(InputError, match=message):
        checked_record(record(StudyPrediction(0.25, 43.03, 0.3)) | changes, "one.json")


def test_a_missing_field_is_named():
    content = record(StudyPrediction(0.25, 43.03, 0.3))
    del content["threshold"]
    with pytest.raises(InputError, match="has threshold, found none"):
        checked_record(content, "one.json")
