"""The prediction of a study as a JSON file: what is read and what is refused."""

import json

import pytest

from pneumoseg.data_io.errors import InputError
from pneumoseg.evaluation.scoring.study_prediction_files import checked_prediction, read_prediction
from pneumoseg.pipeline.methods.study_prediction import StudyPrediction

GOOD = {"probability": 0.25, "score": 41.5, "threshold": 0.3}


def test_a_file_is_read(tmp_path):
    (tmp_path / "one.json").write_text(json.dumps(GOOD))
    assert read_prediction(tmp_path / "one.json") == StudyPrediction(0.25, 41.5, 0.3)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"score": 100.5}, "at: score lies between 0 and 100, found 100.5"),
        ({"probability": "0.5"}, "probability lies between 0 and 1"),
        ({"threshold": None}, "threshold lies between 0 and 1, found None"),
        ({"probability": None, "score": None}, "found neither"),
        ({"more": 1}, "has probability, score, threshold; found"),
    ],
)
def test_what_is_no_prediction_is_refused(changes, message):
    with pytest.raises(InputError, match=message):
        checked_prediction(GOOD | changes, "at")
