"""Predictions of the same studies compared."""

import logging

import numpy as np
import pandas as pd
import pytest

from pneumoseg.data_io.errors import InputError
from pneumoseg.evaluation.measures.agreement import agreement_scores
from pneumoseg.evaluation.measures.delong import compare_auc
from pneumoseg.evaluation.scoring.study_comparison import COLUMNS, compare_studies, study_comparison_lines
from pneumoseg.evaluation.scoring.study_predictions import prediction_row
from tests.evaluation.fake_studies import Guess, studies


def table(guess: Guess, count: int = 16, **how) -> pd.DataFrame:
    rows = pd.DataFrame([prediction_row(0, study, guess.of(study)) for study in studies(count, **how)])
    text = ["given_label", "predicted_label"]
    numbers = dict.fromkeys(("probability", "threshold", "given_score", "predicted_score"), float)
    return rows.assign(**{name: rows[name].fillna("") for name in text}).astype(numbers)


def row(found: pd.DataFrame, score: str) -> dict:
    (one,) = found[found["score"] == score].to_dict("records")
    return one


def test_values_against_the_measures():
    a, b = table(Guess(seed=1)), table(Guess(20.0, seed=2))
    found = compare_studies({"first": a, "second": b})
    assert tuple(found.columns) == COLUMNS
    diseased = (a["given_label"] == "diseased").to_numpy()
    delong = compare_auc(diseased, a["probability"].to_numpy(), b["probability"].to_numpy())
    auc = row(found, "auc")
    assert (auc["a"], auc["b"], auc["difference"]) == pytest.approx((delong.a, delong.b, delong.difference))
    assert auc["p"] == pytest.approx(delong.p) == auc["p_holm"]
    given = a["given_score"].to_numpy()
    for side, one in (("a", a), ("b", b)):
        for score, value in agreement_scores(given, one["predicted_score"].to_numpy()).items():
            assert row(found, score)[side] == pytest.approx(value)
    mae = row(found, "mae")
    assert mae["ci95_low"] <= mae["difference"] <= mae["ci95_high"]
    assert mae["difference"] == pytest.approx(mae["b"] - mae["a"])
    assert np.isnan(mae["p"])
    lines = study_comparison_lines(found)
    assert "a: first" in lines
    assert "ICC(2,1)" in lines


def test_alike_runs_differ_by_nothing():
    one = table(Guess())
    found = compare_studies({"a": one, "b": one.sample(frac=1, random_state=0)})
    assert found["difference"].tolist() == pytest.approx([0.0] * len(found))
    assert row(found, "auc")["p"] == 1.0
    assert (row(found, "mae")["ci95_low"], row(found, "mae")["ci95_high"]) == (0.0, 0.0)


def test_without_probabilities_scores_rank_the_studies():
    found = compare_studies({"mask": table(Guess(probability=False)), "network": table(Guess())})
    assert found[found["class"] == "disease"]["score"].tolist() == ["auc", "average_precision"]


def test_studies_of_one_run_alone_are_left_out(caplog):
    with caplog.at_level(logging.WARNING):
        found = compare_studies({"a": table(Guess()), "b": table(Guess(), 12).iloc[2:]})
    assert set(found["studies"]) == {5}  # the healthy ones: scores of the diseased depend on the number of studies
    assert "only in a" in caplog.text
    assert "another label or score" in caplog.text


def test_several_folds_count_once():
    one = table(Guess())
    twice = pd.concat([one, one.assign(fold=1)])
    found = compare_studies({"a": one, "b": twice})
    assert set(found["studies"]) == {16}
    assert found["difference"].abs().max() == pytest.approx(0.0)


def test_one_run_or_nothing_shared_is_refused():
    with pytest.raises(InputError, match="needs two runs, found a"):
        compare_studies({"a": table(Guess())})
    with pytest.raises(InputError, match="a and b share no study"):
        compare_studies({"a": table(Guess(score=False)), "b": table(Guess(probability=False), labels=False)})
