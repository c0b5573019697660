"""The table of predictions: what is written is read, what is damaged is named."""

import pandas as pd
import pytest

from pneumoseg.data_io.errors import InputError
from pneumoseg.evaluation.scoring.study_predictions import (
    COLUMNS,
    prediction_row,
    predictions_table,
    read_predictions,
    read_training_predictions,
    with_labels,
    with_scores,
    write_predictions,
)
from pneumoseg.pipeline.methods.study_prediction import StudyPrediction
from tests.evaluation.fake_studies import studies


def row(**changes) -> dict:
    study = studies(8).cases[5]
    return prediction_row(2, study, StudyPrediction(0.625, 43.03, 0.5)) | changes


def test_row_by_eye():
    found = row()
    assert tuple(found) == COLUMNS
    assert (found["case"], found["fold"], found["given_label"], found["predicted_label"]) == (
        *("study05", 2, "diseased", "diseased"),
    )
    assert (found["given_score"], found["given_category"], found["given_ctsi_percent_over_4"]) == (62.5, "Severe", 15)
    assert (found["predicted_category"], found["predicted_ctsi_percent_over_4"]) == ("Moderate", 10)
    assert "patient" not in found["patient"]


def test_unknown_is_empty(tmp_path):
    study = studies(2, labels=False, scores=False).cases[0]
    write_predictions(
        tmp_path / "predictions.csv",
        [
            prediction_row(0, study, StudyPrediction(0.5, None)),
            prediction_row(0, studies(4).cases[1], StudyPrediction(None, 100 / 3)),
        ],
    )
    table = read_predictions(tmp_path / "predictions.csv")
    assert table["given_label"].tolist() == ["", "diseased"]
    assert table["predicted_label"].tolist() == ["diseased", ""]
    assert table["predicted_score"].tolist()[1] == 100 / 3  # all digits
    assert table["threshold"].isna().tolist() == [False, True]
    assert len(with_labels(table)) == 0
    assert with_scores(table)["case"].tolist() == ["study01"]


@pytest.mark.parametrize(
    "changes, reason",
    [
        ({"probability": 1.5}, "probability lies between 0 and 1, found 1.5 in case study05"),
        ({"given_score": -1.0}, "given_score lies between 0 and 100"),
        ({"predicted_score": float("inf")}, "predicted_score"),
        ({"probability": "high"}, "probability must hold numbers"),
        ({"predicted_label": "ill"}, "healthy or diseased or empty, found 'ill' in case study05"),
        ({"fold": 0.5}, "fold must hold whole numbers"),
        ({"fold": None}, "fold must hold whole numbers"),
    ],
)
def test_bad_cells_are_named(tmp_path, changes, reason):
    write_predictions(tmp_path / "predictions.csv", [row(**changes)])
    with pytest.raises(InputError, match=reason):
        read_predictions(tmp_path / "predictions.csv")


@pytest.mark.parametrize(
    "text, reason",
    [
        ("", "not readable"),
        ("case,fold\na,1\n", "missing: patient"),
        (",".join(COLUMNS) + "\n", "a row per study, found none"),
        (",".join(COLUMNS) + "\na,0\n", "row 2 has 2 cells"),
    ],
)
def test_other_files_are_refused(tmp_path, text, reason):
    (tmp_path / "predictions.csv").write_text(text)
    with pytest.raises(InputError, match=reason):
        read_predictions(tmp_path / "predictions.csv")
    with pytest.raises(InputError, match="no such file"):
        read_predictions(tmp_path / "absent.csv")


TRAINING = "case,given_label,probability,given_score,score\na,1,0.9,50,40\nb,0,0.6,,\nc,,0.2,10,12\n"


def test_training_predictions(tmp_path):
    (tmp_path / "training_predictions.csv").write_text(TRAINING)
    table = read_training_predictions(tmp_path / "training_predictions.csv", [0.5, 0.5])
    labelled = with_labels(table)
    assert labelled["diseased"].tolist() == [True, False]
    assert labelled["predicted"].tolist() == [True, True]
    assert with_scores(table)["predicted_score"].tolist() == [40.0, 12.0]
    assert len(with_labels(read_training_predictions(tmp_path / "training_predictions.csv", [0.5, 0.6]))) == 0


@pytest.mark.parametrize("old, new", [("a,1", "a,2"), ("0.9", "9"), ("given_label", "label"), ("0.9", "yes")])
def test_bad_training_predictions_are_refused(tmp_path, old, new):
    (tmp_path / "training_predictions.csv").write_text(TRAINING.replace(old, new))
    with pytest.raises(InputError, match=r"training_predictions\.csv"):
        read_training_predictions(tmp_path / "training_predictions.csv", [0.5])


@pytest.mark.parametrize("unknown", [{}, {"given_score": None, "given_category": None}, {"probability": None}])
def test_a_table_of_rows_is_what_is_read_of_them(tmp_path, unknown):
    rows = [row(), row(case="other", **unknown)]
    write_predictions(tmp_path / "predictions.csv", rows)
    pd.testing.assert_frame_equal(predictions_table(rows), read_predictions(tmp_path / "predictions.csv"))
