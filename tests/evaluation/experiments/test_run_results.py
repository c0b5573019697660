import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from pneumoseg.data_io.datasets.dataset import Dataset
from pneumoseg.data_io.errors import InputError
from pneumoseg.evaluation.experiments.cross_validation import cross_validate
from pneumoseg.evaluation.experiments.mask_task import MaskTask
from pneumoseg.evaluation.experiments.run_results import STARTED_ELSEWHERE, collect_results, remove_results
from pneumoseg.evaluation.runs.run_folder import RunFolder
from pneumoseg.evaluation.runs.splits import RANDOM_SLICES, k_fold
from tests.evaluation.threshold import Threshold, run

TASK = MaskTask(Threshold.labels)


def test_finished_folds_are_collected_and_the_run_is_written_when_all_are(dataset, tmp_path, without_figures):
    splits = k_fold(dataset, 3, seed=0)
    with pytest.raises(InputError, match="no fold is finished"):
        collect_results(RunFolder(tmp_path / "none"), splits, TASK, model_choice="x")
    part = run(dataset, tmp_path / "run", folds=[0, 2])
    assert not part.complete
    assert set(part.final["fold"]) == {"0", "2", "all"}
    assert not (tmp_path / "run" / "report.html").exists()
    whole = run(dataset, tmp_path / "run", folds=[1])
    assert whole.complete
    detailed = pd.read_csv(tmp_path / "run" / "cv_results.detailed.csv")
    assert sorted(detailed["case"].unique()) == list("abcdef")


def test_a_start_model_is_named_once(dataset, tmp_path, without_figures):
    root = run(dataset, tmp_path / "run").run.root
    environment = json.loads((root / "environment.json").read_text())
    (root / "environment.json").write_text(json.dumps(environment | {"start_from": "abc"}))
    for choice in ("none", "none" + STARTED_ELSEWHERE):
        collect_results(RunFolder(root), k_fold(dataset, 3, seed=0), TASK, model_choice=choice)
        assert json.loads((root / "summary.json").read_text())["model choice"] == "none" + STARTED_ELSEWHERE


def test_results_are_removed_and_folds_stay(dataset, tmp_path, without_pictures):
    root = run(dataset, tmp_path / "run").run.root
    names = ("report.html", "summary.json", "cv_results.final.csv", "lesions.csv", "figures/dice.png", "other.txt")
    for name in names:
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text("")
    remove_results(root, TASK)
    assert [name for name in names if (root / name).exists()] == ["other.txt"]
    assert (root / "fold_0" / "metrics.csv").is_file()


def test_sources_are_told_apart(dataset, tmp_path, without_figures):
    sources = (replace(case, source="x" if case.name in "abc" else "y") for case in dataset)
    done = run(Dataset(dataset.root, tuple(sources), dataset.layout), tmp_path / "run")
    root, splits = done.run.root, k_fold(dataset, 3, seed=0)
    table = pd.read_csv(root / "cv_results.by_source.csv")
    assert table["source"].unique().tolist() == ["x", "y", "all"]
    pd.testing.assert_frame_equal(done.by_source, table, check_dtype=False)
    assert "By source" in (root / "report.html").read_text("utf-8")
    for fold in range(3):
        metrics = root / f"fold_{fold}" / "metrics.csv"
        pd.read_csv(metrics).assign(source="").to_csv(metrics, index=False)
    task = MaskTask(Threshold.labels, positive_ml=0)
    assert collect_results(RunFolder(root), splits, task, model_choice="x").by_source is None
    assert not (root / "cv_results.by_source.csv").exists()
    assert "By source" not in (root / "report.html").read_text("utf-8")


def test_random_slices_are_marked(dataset, tmp_path, without_figures):
    done = run(dataset, tmp_path / "run")
    root, splits = done.run.root, k_fold(dataset, 3, seed=0)
    assert "warning" not in json.loads((root / "summary.json").read_text())
    assert RANDOM_SLICES not in (root / "report.html").read_text("utf-8")
    with open(root / "settings.yaml", "a", encoding="utf-8") as file:
        file.write("\nevaluation:\n  splits: slices:0.7,0.2,0.1\n")
    collect_results(RunFolder(root), splits, TASK, model_choice="x")
    assert json.loads((root / "summary.json").read_text())["warning"] == RANDOM_SLICES
    report = (root / "report.html").read_text("utf-8")
    assert report.count(RANDOM_SLICES) == 1
    assert report.index("<h1>") < report.index(RANDOM_SLICES) < report.index("<table")


def test_a_class_that_is_never_predicted_is_warned_of(dataset, tmp_path, without_figures):
    class Blind(Threshold):
        def predict(self, model, case):
            return case.image.with_array(np.zeros(case.image.array.shape, np.uint8))

    done = cross_validate(dataset, k_fold(dataset, 3, seed=0), Blind(), output=tmp_path / "run", folds=[1])
    log = (done.run.root / "log.txt").read_text("utf-8")
    assert "WARNING fold_1: lung_left is in the reference of 2 test cases and in no prediction" in log
