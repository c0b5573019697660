"""What commands print: JSON without NaN, and the scores of a cross-validation."""

import json
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest

from pneumoseg.evaluation.scoring.mask_columns import MASK_COLUMNS
from pneumoseg.evaluation.scoring.sources import COLUMNS
from pneumoseg.scripts.shared.printing import print_json, print_part, print_results


def results(complete: bool, by_source: pd.DataFrame | None = None):
    final = pd.DataFrame(
        [{"fold": "all", "class": "infection", "cases": 2, "dice_mean": 0.75, "dice_sd": 0.1, "dice_median": 0.75}]
    )
    run = SimpleNamespace(root=Path("runs/a"))
    return SimpleNamespace(run=run, final=final, complete=complete, columns=MASK_COLUMNS, by_source=by_source)


def test_json_is_indented_and_has_no_nan(capsys):
    print_json({"dice": 0.5})
    assert capsys.readouterr().out == '{\n  "dice": 0.5\n}\n'
    with pytest.raises(ValueError, match="not JSON compliant"):
        print_json({"dice": float("nan")})


@pytest.fixture
def plain(monkeypatch):
    """The summary and the lines of a table without the scores that these need."""
    monkeypatch.setattr("pneumoseg.evaluation.report.page.summarise", lambda final, columns: {"cases": len(final)})
    monkeypatch.setattr("pneumoseg.evaluation.scoring.tables.result_lines", lambda final, columns: "infection 0.750")


def test_results_as_json(plain, capsys):
    print_results(results(True), quiet=False, json=True)
    assert json.loads(capsys.readouterr().out) == {"run": "runs/a", "complete": True, "summary": {"cases": 1}}


def test_scores_by_source_are_printed(plain, capsys):
    nan = float("nan")
    row = ("x", "infection", 1, 1.0, 0, nan, nan, nan, nan, 1, 2.5, 2.5)
    by_source = pd.DataFrame([row], columns=list(COLUMNS))
    print_results(results(True, by_source), quiet=False, json=True)
    (found,) = json.loads(capsys.readouterr().out)["by_source"]
    assert (found["negative_cases"], found["dice_mean"], found["false_positive_ml_mean"]) == (1, None, 2.5)
    print_results(results(True, by_source), quiet=False, json=False)
    assert "x       infection" in capsys.readouterr().out


def test_results_say_where_the_rest_lies(plain, capsys):
    print_results(results(True), quiet=False, json=False)
    assert capsys.readouterr().out.splitlines() == [
        "infection 0.750", "report: runs/a/report.html", "scores: runs/a/cv_results.detailed.csv",
    ]  # fmt: skip
    print_results(results(False), quiet=False, json=False)
    assert "other folds are still to be run" in capsys.readouterr().out
    print_results(results(True), quiet=True, json=False)
    assert capsys.readouterr().out == ""


def test_a_part_says_how_the_whole_is_made(capsys):
    print_part(Path("scores"), "1/3", ["a", "b"], quiet=False, json=False)
    assert "scores: part 1/3 of 2 cases is done" in capsys.readouterr().out
    print_part(Path("scores"), "1/3", ["a", "b"], quiet=True, json=False)
    assert capsys.readouterr().out == ""
    print_part(Path("scores"), "1/3", ["a", "b"], quiet=True, json=True)
    assert json.loads(capsys.readouterr().out) == {"part": "1/3", "cases": ["a", "b"]}
