"""Tables of a run of studies: values against the measures, and what lacks left out."""

import numpy as np
import pandas as pd
import pytest

from pneumoseg.evaluation.measures.agreement import agreement_scores
from pneumoseg.evaluation.measures.classification import label_scores
from pneumoseg.evaluation.scoring.study_predictions import COLUMNS, prediction_row, read_predictions, write_predictions
from pneumoseg.evaluation.scoring.study_tables import (
    FILES,
    accuracy_table,
    agreement_table,
    categories_off_table,
    classification_table,
    study_lines,
    write_study_tables,
)
from tests.evaluation.fake_studies import Guess, studies


def predictions(folder, guess: Guess | None = None, *, fold: int = 0, **how) -> pd.DataFrame:
    """What a guess says of 12 studies, as read from a fold's file."""
    guess = guess or Guess()
    rows = [prediction_row(fold, study, guess.of(study)) for study in studies(12, **how)]
    write_predictions(folder / "predictions.csv", rows)
    return read_predictions(folder / "predictions.csv")


def value(table: pd.DataFrame, score: str, fold: str = "all") -> pd.Series:
    (row,) = table[(table["score"] == score) & (table["fold"] == fold)].to_dict("records")
    return row


def test_classification_against_the_measures(tmp_path):
    table = predictions(tmp_path)
    found = classification_table(table)
    diseased = (table["given_label"] == "diseased").to_numpy()
    predicted = (table["probability"] >= 0.5).to_numpy()
    for score, expected in label_scores(diseased, table["probability"].to_numpy(), predicted).items():
        row = value(found, score)
        assert row["value"] == pytest.approx(expected)
        assert row["ci95_low"] <= expected <= row["ci95_high"]
        assert value(found, score, "0")["value"] == pytest.approx(expected)
        assert np.isnan(value(found, score, "0")["ci95_low"])
    assert value(found, "true_positive")["value"] == (diseased & predicted).sum()
    assert value(found, "true_negative")["studies"] == 12


def test_agreement_against_the_measures(tmp_path):
    table = predictions(tmp_path)
    found = agreement_table(table)
    expected = agreement_scores(table["given_score"].to_numpy(), table["predicted_score"].to_numpy())
    for score, number in expected.items():
        assert value(found, score)["value"] == pytest.approx(number)
    assert value(found, "limit_low")["value"] < value(found, "bias")["value"] < value(found, "limit_high")["value"]


def test_categories_off(tmp_path):
    found = categories_off_table(predictions(tmp_path, Guess(30.0)))
    assert found["categories_off"].tolist() == [0, 1, 2, 3, 4]
    assert found["studies"].sum() == 12
    assert found["share_up_to"].tolist() == pytest.approx((found["studies"].cumsum() / 12).tolist())


def test_accuracy_of_training_and_test(tmp_path):
    tests = predictions(tmp_path)
    training = tests.assign(predicted_score=tests["given_score"], predicted_label=tests["given_label"])
    found = accuracy_table([tests, tests], [training, training.iloc[:0]]).set_index(["fold", "accuracy_of"])
    assert found.loc[("0", "label"), "training_accuracy"] == 1.0
    assert found.loc[("all", "category"), "training_studies"] == 12
    assert found.loc[("all", "category"), "test_studies"] == 24
    assert np.isnan(found.loc[("1", "label"), "training_accuracy"])
    right = (tests["given_category"] == tests["predicted_category"]).mean()
    assert found.loc[("1", "category"), "test_accuracy"] == pytest.approx(right)


def test_a_head_that_lacks_has_no_tables(tmp_path):
    for name, guess in (("label", Guess(score=False)), ("score", Guess(probability=False))):
        (tmp_path / name).mkdir()
        predictions(tmp_path / name, guess)
        for file in FILES:
            (tmp_path / name / file).write_text("of an earlier scoring\n")
        write_study_tables([tmp_path / name], tmp_path / name)
    assert {path.name for path in (tmp_path / "label").iterdir()} == {
        *("predictions.csv", "classification.csv", "accuracy.csv"),
    }
    assert {path.name for path in (tmp_path / "score").iterdir()} == {
        *("predictions.csv", "agreement.csv", "categories_off.csv", "accuracy.csv"),
    }
    assert "AUC" in study_lines(tmp_path / "label")
    assert "AUC" not in study_lines(tmp_path / "score")


def test_all_folds_are_in_the_runs_table(tmp_path):
    for fold in (0, 1):
        (tmp_path / f"fold_{fold}").mkdir()
        predictions(tmp_path / f"fold_{fold}", fold=fold)
    write_study_tables([tmp_path / "fold_0", tmp_path / "fold_1"], tmp_path)
    table = read_predictions(tmp_path / "predictions.csv")
    assert tuple(table.columns) == COLUMNS
    assert table["fold"].value_counts().to_dict() == {0: 12, 1: 12}
    lines = study_lines(tmp_path)
    assert "ICC(2,1)" in lines
    assert "categories off" in lines


def test_one_class_alone_has_no_auc(tmp_path):
    table = predictions(tmp_path)
    found = classification_table(table[table["given_label"] == "diseased"])
    assert np.isnan(value(found, "auc")["value"])
    assert value(found, "sensitivity")["value"] >= 0
