"""pneumoseg metric-comparison, from run folders to a table, a page and JSON."""

import json

import pytest
from typer.testing import CliRunner

from pneumoseg.scripts.cli import app
from tests.evaluation.finished_runs import write_run


def metric_comparison(*arguments):
    return CliRunner().invoke(app, ["metric-comparison", *(str(argument) for argument in arguments)])


@pytest.fixture
def runs(tmp_path):
    return [write_run(tmp_path / name, f"loss.name={name}") for name in ("crossentropy", "dice")]


def test_table_page_and_figure(runs, tmp_path, rendered):
    end = metric_comparison(*runs, "-o", tmp_path / "out")
    assert end.exit_code == 0, end.output
    assert (tmp_path / "out" / "metric_comparison.html").is_file()
    assert (tmp_path / "out" / "figures" / "training_curves.png").is_file()
    lines = end.stdout.splitlines()
    assert lines[0].split()[:3] == ["run", "splits", "loss"]
    assert lines[2].split()[:3] == ["crossentropy", "patient-wise", "(kfold)"]
    assert metric_comparison(*runs, "-o", tmp_path / "out").exit_code == 2
    end = metric_comparison(*runs, "-o", tmp_path / "out", "--overwrite", "--quiet")
    assert (end.exit_code, end.stdout, end.stderr) == (0, "", "")


def test_json(runs, tmp_path):
    printed = json.loads(metric_comparison(*runs, "-o", tmp_path / "out", "--json").stdout)
    assert [row["loss"] for row in printed["trainings"]] == ["crossentropy", "dice"]
    assert printed["scores"][0]["iou_pooled"] == pytest.approx(0.75)


def test_what_is_no_run_ends_in_one_line(runs, tmp_path):
    end = metric_comparison(runs[0], tmp_path / "nowhere", "-o", tmp_path / "out")
    assert (end.exit_code, end.stderr.count("\n")) == (2, 1)
    assert not (tmp_path / "out").exists()
