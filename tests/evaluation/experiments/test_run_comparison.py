"""Which tables belong to which runs."""

import pandas as pd
import pytest

from pneumoseg.data_io.errors import InputError
from pneumoseg.evaluation.experiments.run_comparison import (
    check_output,
    comparison_content,
    runs_by_name,
    score_table,
)
from pneumoseg.evaluation.scoring.comparison import Comparison


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
