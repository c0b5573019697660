"""Predictions of studies against the table of a cohort."""

import numpy as np
import pytest

from pneumoseg.data_io.console import warnings_of_this_thread
from pneumoseg.data_io.datasets.cohort_table import CohortRow, CohortTable
from pneumoseg.data_io.datasets.studies import Study
from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.storage.csv_files import read_table
from pneumoseg.evaluation.experiments.study_evaluation import evaluate_studies
from pneumoseg.evaluation.scoring.study_predictions import prediction_row, write_predictions
from pneumoseg.pipeline.methods.study_prediction import StudyPrediction

SCORES = (0.0, 10.0, 30.0, 90.0)


@pytest.fixture
def cohort(tmp_path) -> CohortTable:
    rows = [
        CohortRow(f"s{index}", f"p{index}", tmp_path / f"s{index}.nii.gz", score > 20, score, {})
        for index, score in enumerate(SCORES)
    ]
    return CohortTable(tmp_path / "table.csv", tuple(rows))


def predictions(folder, names=("s0", "s1", "s2", "s3")):
    """Scores that are ten points too high, and probabilities that are a hundredth of these."""
    rows = []
    for name, score in zip(names, SCORES, strict=False):
        found = StudyPrediction((score + 10) / 100, score + 10, 0.35)
        rows.append(prediction_row(0, Study(name, folder / name, None, name), found))
    write_predictions(folder / "predictions.csv", rows)
    return folder


def test_predictions_are_scored_by_eye(cohort, tmp_path):
    found = evaluate_studies(cohort, predictions(tmp_path), tmp_path / "scores")
    assert list(found["given_score"]) == list(SCORES)
    agreement = read_table(tmp_path / "scores" / "agreement.csv", text_columns=("fold", "score"))
    values = agreement[agreement["fold"] == "all"].set_index("score")["value"]
    assert values["mae"] == pytest.approx(10.0)
    assert values["bias"] == pytest.approx(10.0)
    labels = read_table(tmp_path / "scores" / "classification.csv", text_columns=("fold", "score"))
    assert labels[labels["fold"] == "all"].set_index("score").loc["accuracy", "value"] == 1.0
    off = read_table(tmp_path / "scores" / "categories_off.csv")
    assert off["studies"].tolist() == [2, 2, 0, 0, 0]
    scores = read_table(tmp_path / "scores" / "metrics.csv")
    assert scores.loc[scores["class"] == "severity", "absolute_error"].tolist() == pytest.approx([10.0] * 4)
    assert "Severity score" in (tmp_path / "scores" / "report.html").read_text()


def test_what_has_no_partner_is_left_out_and_said(cohort, tmp_path):
    with warnings_of_this_thread(hold_back=True) as warnings:
        found = evaluate_studies(cohort, predictions(tmp_path, ("s0", "s1", "x", "s3")), tmp_path / "scores")
    assert list(found["case"]) == ["s0", "s1", "s3"]
    assert any("1 studies have no prediction, left out: s2" in text for text in warnings)
    assert any("1 predictions have no study of this name, left out: x" in text for text in warnings)


def test_unknown_labels_and_scores_stay_unknown(cohort, tmp_path):
    rows = [*cohort.rows[:3], CohortRow("s3", "p3", tmp_path / "s3.nii.gz", True, None, {})]
    found = evaluate_studies(CohortTable(cohort.path, tuple(rows)), predictions(tmp_path), tmp_path / "scores")
    assert np.isnan(found["given_score"].iloc[3])
    assert found["given_category"].iloc[3] == ""


def test_nothing_in_common_and_results_that_are_there_are_refused(cohort, tmp_path):
    with (
        pytest.raises(InputError, match="names of its studies, such as s0, found a, b, c, d"),
        warnings_of_this_thread(hold_back=True),
    ):
        evaluate_studies(cohort, predictions(tmp_path, ("a", "b", "c", "d")), tmp_path / "scores")
    assert not (tmp_path / "scores").exists()
    evaluate_studies(cohort, predictions(tmp_path), tmp_path / "scores")
    with pytest.raises(InputError, match="must be free for results"):
        evaluate_studies(cohort, tmp_path, tmp_path / "scores")
