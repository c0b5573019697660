"""Severity from masks beside given scores and the predictions of a run."""

import json

import numpy as np
import pandas as pd
import pytest

from pneumoseg.data_io.datasets.cohort_table import CohortRow, CohortTable
from pneumoseg.data_io.errors import InputError
from pneumoseg.evaluation.experiments.severity_agreement import (
    agreement_content,
    agreement_lines,
    cohort_agreement,
    write_agreement,
)
from pneumoseg.evaluation.measures.agreement import agreement_scores
from pneumoseg.evaluation.measures.ranking import roc_auc
from pneumoseg.evaluation.scoring.study_predictions import prediction_row, read_predictions, write_predictions
from tests.evaluation.fake_studies import Guess, studies

STUDIES = tuple(studies(12))
PERCENTS = np.clip([study.score + (-1) ** study.index * 3 for study in STUDIES], 0, 100)


def cohort(tmp_path, labels: bool = True) -> CohortTable:
    rows = [
        CohortRow(one.name, one.patient, tmp_path / one.name, one.diseased if labels else None, one.score, {})
        for one in STUDIES
    ]
    return CohortTable(tmp_path / "cohort.csv", tuple(rows))


def graded() -> list[dict]:
    return [
        {"case": one.name, "infected_percent": float(percent)} for one, percent in zip(STUDIES, PERCENTS, strict=True)
    ]


def value(table: pd.DataFrame, score: str) -> float:
    return table[(table["score"] == score) & (table["fold"] == "all")]["value"].item()


@pytest.fixture
def run(tmp_path):
    """Predictions of a run with two folds."""
    rows = [prediction_row(one.index % 2, one, Guess(15.0).of(one)) for one in STUDIES]
    (tmp_path / "cnn").mkdir()
    write_predictions(tmp_path / "cnn" / "predictions.csv", rows)
    return tmp_path / "cnn"


def test_percent_against_scores_and_labels(tmp_path):
    found = cohort_agreement(graded(), cohort(tmp_path))
    given = np.array([one.score for one in STUDIES])
    for score, expected in agreement_scores(given, PERCENTS).items():
        assert value(found.agreement, score) == pytest.approx(expected)
    diseased = np.array([one.diseased for one in STUDIES])
    assert value(found.ranking, "auc") == pytest.approx(roc_auc(diseased, PERCENTS))
    assert found.categories_off["studies"].sum() == 12
    assert found.against_run is None


def test_masks_beside_a_run_on_its_folds(tmp_path, run):
    found = cohort_agreement(graded(), cohort(tmp_path), run)
    assert found.predictions["fold"].tolist() == [one.index % 2 for one in STUDIES]
    against = found.against_run.set_index("score")
    assert (against.loc["mae", "run_a"], against.loc["mae", "run_b"]) == ("masks", "cnn")
    assert against.loc["mae", "a"] == pytest.approx(value(found.agreement, "mae"))
    assert np.isfinite(against.loc["mae", ["ci95_low", "ci95_high"]].to_numpy(float)).all()
    assert against.loc["auc", "a"] == pytest.approx(value(found.ranking, "auc"))
    write_agreement(found, tmp_path / "out")
    assert {path.name for path in (tmp_path / "out").rglob("*") if path.is_file()} == {
        *("predictions.csv", "classification.csv", "agreement.csv", "categories_off.csv", "masks_against_run.csv"),
        "score_agreement.png",
    }
    assert read_predictions(tmp_path / "out" / "predictions.csv")["predicted_score"].tolist() == PERCENTS.tolist()
    lines = agreement_lines(found, tmp_path / "out")
    for text in ("a: masks", "b: cnn", "ICC(2,1)", "AUC"):
        assert text in lines
    assert json.dumps(agreement_content(found), allow_nan=False)
    write_agreement(None, tmp_path / "out")
    assert not [path for path in (tmp_path / "out").rglob("*") if path.is_file()]


def test_a_run_may_be_called_masks(tmp_path, run):
    found = cohort_agreement(graded(), cohort(tmp_path), run.rename(tmp_path / "masks"))
    assert set(found.against_run["run_b"]) == {"run"}


def test_what_has_no_pair_is_named(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr("pneumoseg.data_io.console.log.propagate", True)
    rows = [{"case": "stranger", "infected_percent": 1.0}, {**graded()[0], "infected_percent": None}, *graded()[1:5]]
    found = cohort_agreement(rows, cohort(tmp_path))
    assert len(found.predictions) == 4
    for text in ("7 studies have no mask", "1 masks have no study of this name", "1 masks have no lungs"):
        assert text in caplog.text


def test_without_labels_there_is_no_auc(tmp_path):
    found = cohort_agreement(graded(), cohort(tmp_path, labels=False))
    assert found.ranking.empty
    assert len(found.agreement)


def test_nothing_in_common_is_refused(tmp_path, run):
    with pytest.raises(InputError, match="masks have the names of its studies, such as study00, found other"):
        cohort_agreement([{"case": "other", "infected_percent": 1.0}], cohort(tmp_path))
    with pytest.raises(InputError, match=r"has predictions\.csv, found none"):
        cohort_agreement(graded(), cohort(tmp_path), tmp_path)
    predictions = run / "predictions.csv"
    predictions.write_text(predictions.read_text().replace("study", "patient"))
    with pytest.raises(InputError, match="masks and cnn share no study"):
        cohort_agreement(graded(), cohort(tmp_path), run)
