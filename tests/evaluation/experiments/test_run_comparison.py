"""Which tables belong to which runs."""

import pandas as pd
import pytest

from pneumoseg.data_io.errors import InputError
from pneumoseg.evaluation.experiments.run_comparison import (
    are_studies,
    check_output,
    compare_study_runs,
    comparison_content,
    runs_by_name,
    score_table,
    write_comparison,
)
from pneumoseg.evaluation.scoring.comparison import Comparison
from pneumoseg.evaluation.scoring.study_predictions import PREDICTIONS, prediction_row, write_predictions
from tests.evaluation.fake_studies import Guess, studies


def test_runs_are_named_by_their_folders(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    paths = [tmp_path / "a", tmp_path / "b" / "metrics.csv", tmp_path / "c" / "scores.csv", tmp_path / "x" / "a", "."]
    names = runs_by_name(paths)
    assert list(names) == ["a", "b", "scores", "a (2)", tmp_path.name]
    assert list(names.values()) == paths


def test_the_table_of_a_run_before_that_of_an_evaluation(tmp_path):
    with pytest.raises(InputError, match="found neither; finish the run first"):
        score_table(tmp_path)
    (tmp_path / "fold_1").mkdir()
    (tmp_path / "fold_1" / "metrics.csv").touch()
    with pytest.raises(InputError, match="name one of fold_1 in it"):
        score_table(tmp_path)
    for name in ("metrics.csv", "cv_results.detailed.csv"):
        (tmp_path / name).touch()
        assert score_table(tmp_path) == tmp_path / name
    assert score_table(tmp_path / "mine.csv") == tmp_path / "mine.csv"


def test_a_comparison_is_replaced_only_when_asked_unless_it_is_unfinished(tmp_path):
    (tmp_path / "cases.csv").touch()
    with pytest.raises(InputError, match=r"must be free for results, found cases\.csv"):
        check_output(tmp_path)
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "differences_dice.png").touch()
    check_output(tmp_path)
    (tmp_path / "comparison.csv").touch()
    with pytest.raises(InputError, match=r"found cases\.csv, comparison\.csv"):
        check_output(tmp_path)
    check_output(tmp_path, overwrite=True)


def test_content_for_json_has_none_for_nan():
    rows = pd.DataFrame({"case": ["one"], "difference": [float("nan")]})
    content = comparison_content(Comparison(rows, rows))
    assert content == {"summary": [{"case": "one", "difference": None}], "cases": [{"case": "one", "difference": None}]}


def test_runs_of_studies_have_their_own_table(tmp_path):
    runs = {}
    for name, spread in (("calm", 4.0), ("wild", 30.0)):
        runs[name] = tmp_path / name
        runs[name].mkdir()
        guess = Guess(spread)
        write_predictions(runs[name] / PREDICTIONS, [prediction_row(0, one, guess.of(one)) for one in studies(12)])
    assert are_studies(runs)
    table = compare_study_runs(runs)
    assert table.set_index("score").loc["mae", "difference"] > 0
    empty = pd.DataFrame(columns=["score"])
    write_comparison(Comparison(empty, empty), tmp_path / "out", studies=table)
    assert (tmp_path / "out" / "studies.csv").is_file()
    assert len(comparison_content(Comparison(empty, empty), table)["studies"]) == len(table)
    (tmp_path / "masks").mkdir()
    assert not are_studies({"masks": tmp_path / "masks"})
    with pytest.raises(InputError, match="studies in calm, wild and none in masks"):
        are_studies(runs | {"masks": tmp_path / "masks"})
