"""Runs of whole studies compared by their folders."""

import pytest

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.storage.csv_files import read_table
from pneumoseg.evaluation.experiments.cross_validation import cross_validate
from pneumoseg.evaluation.experiments.study_runs import (
    compare_study_runs,
    holds_studies,
    predictions_of,
    write_study_comparison,
)
from pneumoseg.evaluation.experiments.study_task import StudyTask
from pneumoseg.evaluation.runs.splits import k_fold
from tests.evaluation.fake_studies import Guess, studies


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    root, dataset = tmp_path_factory.mktemp("runs"), studies(12)
    for name, method in (("good", Guess(spread=4.0)), ("bad", Guess(spread=40.0, seed=1))):
        splits = k_fold(dataset, 2, seed=0)
        cross_validate(dataset, splits, method, output=root / name, task=StudyTask())
    return {"good": root / "good", "bad": root / "bad"}


def test_a_run_of_studies_is_told_by_its_predictions(runs, tmp_path):
    assert holds_studies(runs["good"])
    assert predictions_of(runs["good"] / "predictions.csv") == predictions_of(runs["good"])
    assert not holds_studies(tmp_path)


def test_runs_are_compared_score_by_score(runs, tmp_path):
    table = compare_study_runs(runs).set_index("score")
    assert table.loc["mae", "a"] < table.loc["mae", "b"]
    assert (table["studies"] == 12).all()
    one = compare_study_runs(runs, ["mae"])
    assert list(one["score"]) == ["mae"]
    write_study_comparison(one, tmp_path / "out")
    assert read_table(tmp_path / "out" / "comparison.csv", text_columns=("score",))["score"].tolist() == ["mae"]
    with pytest.raises(InputError, match="must be free for results, found comparison.csv"):
        write_study_comparison(one, tmp_path / "out")
    write_study_comparison(one, tmp_path / "out", overwrite=True)


def test_what_cannot_be_compared_is_refused(runs, tmp_path):
    with pytest.raises(InputError, match=r"no predictions\.csv in it.* runs of one kind"):
        compare_study_runs(runs | {"other": tmp_path})
    with pytest.raises(InputError, match="scores are auc, .* found dice"):
        compare_study_runs(runs, ["dice"])
