"""pneumoseg compare, from run folders to tables and figures."""

import json

import numpy as np
import pandas as pd
import pytest
import typer
from typer.testing import CliRunner

from pneumoseg.data_io.storage.csv_files import write_table
from pneumoseg.evaluation.scoring.mask_columns import SCORES
from pneumoseg.evaluation.scoring.tables import detailed_table
from pneumoseg.scripts.compare import compare

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
app.command()(compare)


def pneumoseg_compare(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def table(drop: float = 0.0) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    rows = [
        {
            "fold": case // 5,
            "case": f"case_{case}",
            "class": name,
            **dict.fromkeys(SCORES, float("nan")),
            "dice": rng.uniform(0.7, 0.9) - (drop + case / 1000 if drop and name == "infection" else 0),
            "nsd": 0.8,
            "hd95_mm": float("nan") if name == "infection" and case == 3 else 5.0,
            "volume_reference_ml": 100.0,
            "volume_prediction_ml": 100.0,
            "status": "ok",
        }
        for case in range(10)
        for name in ("background", "lung_left", "infection")
    ]
    return detailed_table(rows)


@pytest.fixture
def runs(tmp_path):
    """A run folder, the folder of `evaluate` and a CSV."""
    write_table(table(), tmp_path / "base" / "cv_results.detailed.csv")
    write_table(table(0.05), tmp_path / "worse" / "metrics.csv")
    write_table(table(), tmp_path / "others" / "same.csv")
    return [tmp_path / "base", tmp_path / "worse", tmp_path / "others" / "same.csv"]


def test_tables_and_figures_are_written(runs, tmp_path, rendered):
    end = pneumoseg_compare(*runs, "-o", tmp_path / "out")
    assert end.exit_code == 0, end.stderr
    written = sorted(str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*.*"))
    assert written == [
        "cases.csv", "comparison.csv", "figures/differences_dice.png", "figures/differences_hd95_mm.png",
        "figures/differences_nsd.png",
    ]  # fmt: skip
    summary = pd.read_csv(tmp_path / "out" / "comparison.csv").set_index(["run_b", "score", "class"])
    assert summary["run_a"].unique().tolist() == ["base"]
    assert summary.loc[("worse", "dice", "infection"), "worse"] == 10
    assert summary.loc[("worse", "dice", "infection"), "p_holm"] < 0.05
    assert summary.loc[("same", "dice", "infection"), "p"] == 1
    cases = pd.read_csv(tmp_path / "out" / "cases.csv").query("run_b == 'worse' and `class` == 'infection'")
    assert cases["case"].iloc[0] == "case_9"
    assert "b: worse" in end.stdout
    assert f"base: {runs[0]}" in end.stderr


def test_without_output_it_only_prints(runs, tmp_path):
    before = sorted(tmp_path.rglob("*"))
    assert "b: worse" in pneumoseg_compare(*runs).stdout
    assert sorted(tmp_path.rglob("*")) == before


def test_json_holds_everything_with_null_for_undefined_numbers(runs):
    printed = json.loads(pneumoseg_compare(*runs[:2], "--json").stdout, parse_constant=pytest.fail)
    assert printed["runs"] == {"base": str(runs[0]), "worse": str(runs[1])}
    (lost,) = (
        row
        for row in printed["cases"]
        if (row["score"], row["class"], row["case"]) == ("hd95_mm", "infection", "case_3")
    )
    assert lost == {"run_b": "worse", "score": "hd95_mm", "class": "infection", "case": "case_3"} | dict.fromkeys(
        ["a", "b", "difference"]
    )
    counts = {
        row["score"]: (row["cases"], row["undefined"]) for row in printed["summary"] if row["class"] != "lung_left"
    }
    assert counts == {"dice": (10, 0), "nsd": (10, 0), "hd95_mm": (9, 1)}


def test_quiet_prints_nothing(runs, tmp_path):
    end = pneumoseg_compare(*runs, "--quiet", "-o", tmp_path / "out")
    assert (end.exit_code, end.stdout, end.stderr) == (0, "", "")


def test_the_same_run_twice_has_two_names(runs):
    printed = json.loads(pneumoseg_compare(runs[0], runs[0], runs[0], "--json").stdout)
    assert list(printed["runs"]) == ["base", "base (2)", "base (3)"]
    assert {row["mean_difference"] for row in printed["summary"]} == {0}
    assert {row["p"] for row in printed["summary"]} == {1}


def test_a_table_is_named_by_its_folder_unless_it_has_a_name_of_its_own(runs):
    files = [runs[0] / "cv_results.detailed.csv", runs[1] / "metrics.csv", runs[2]]
    assert list(json.loads(pneumoseg_compare(*files, "--json").stdout)["runs"]) == ["base", "worse", "same"]


def test_the_folder_one_stands_in_has_a_name_too(runs, monkeypatch):
    monkeypatch.chdir(runs[0])
    assert list(json.loads(pneumoseg_compare(".", "../worse", "--json").stdout)["runs"]) == ["base", "worse"]


def test_other_scores_replace_the_figures_of_an_earlier_comparison(runs, tmp_path):
    pneumoseg_compare(*runs, "-o", tmp_path / "out")
    end = pneumoseg_compare(*runs, "-o", tmp_path / "out", "--overwrite", "--score", "dice")
    assert end.exit_code == 0, end.stderr
    assert [path.name for path in (tmp_path / "out" / "figures").iterdir()] == ["differences_dice.png"]


@pytest.mark.parametrize("name", ["comparison.csv", "cases.csv"])
def test_results_are_replaced_only_when_asked(runs, tmp_path, name):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / name).write_text("before")
    end = pneumoseg_compare(*runs, "-o", tmp_path / "out")
    assert end.exit_code == 2
    assert "--overwrite" in end.stderr
    assert (tmp_path / "out" / name).read_text() == "before"
    assert pneumoseg_compare(*runs, "-o", tmp_path / "out", "--overwrite").exit_code == 0
    assert (tmp_path / "out" / name).read_text() != "before"


def unfinished(tmp_path):
    write_table(table(), tmp_path / "half" / "fold_1" / "metrics.csv")
    return tmp_path / "half"


def empty(tmp_path):
    (tmp_path / "empty").mkdir()
    return tmp_path / "empty"


def not_scores(tmp_path):
    (tmp_path / "text.csv").write_text("some,words\n1,2\n")
    return tmp_path / "text.csv"


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (unfinished, "folds are missing, name one of fold_1 in it"),
        (empty, "found neither; finish the run first"),
        (not_scores, "columns missing"),
        (lambda tmp_path: tmp_path / "nowhere", "no such file of scores"),
    ],
)
def test_what_cannot_be_compared_ends_in_one_line(runs, tmp_path, other, message):
    end = pneumoseg_compare(runs[0], other(tmp_path), "-o", tmp_path / "out")
    assert end.exit_code == 2
    assert message in end.stderr
    assert end.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_one_run_alone_cannot_be_compared(runs):
    end = pneumoseg_compare(runs[0])
    assert end.exit_code == 2
    assert end.stderr == "error: a comparison needs two runs, found base; name another\n"


def test_a_comparison_that_was_killed_before_its_last_file_is_no_obstacle(runs, tmp_path):
    arguments = (tmp_path / "base", tmp_path / "worse", "-o", tmp_path / "out")
    assert pneumoseg_compare(*arguments).exit_code == 0
    before = (tmp_path / "out" / "comparison.csv").read_text(encoding="utf-8")
    (tmp_path / "out" / "comparison.csv").unlink()
    assert pneumoseg_compare(*arguments).exit_code == 0
    assert (tmp_path / "out" / "comparison.csv").read_text(encoding="utf-8") == before
    assert pneumoseg_compare(*arguments).exit_code == 2
