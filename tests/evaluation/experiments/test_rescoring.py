"""Scoring the predictions of a run again."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock
from PIL import Image

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.nifti import write_label_nifti
from pneumoseg.data_io.volumes.labels import LUNG_LABELS
from pneumoseg.data_io.volumes.volume import Volume
from pneumoseg.evaluation.experiments import mask_task
from pneumoseg.evaluation.experiments.mask_task import MaskTask
from pneumoseg.evaluation.experiments.rescoring import score_again
from pneumoseg.evaluation.runs.run_folder import RunFolder
from pneumoseg.evaluation.runs.splits import k_fold
from tests.blank_figures import draw_nothing
from tests.evaluation.threshold import run


def score_the_run(dataset, tmp_path, tolerances_mm=None):
    splits, task = k_fold(dataset, 3, seed=0), MaskTask(LUNG_LABELS, tolerances_mm)
    return score_again(RunFolder(tmp_path / "run"), dataset, splits, task=task, model_choice="none")


def test_a_tolerance_of_no_class_is_refused_before_anything_happens(dataset, tmp_path, without_pictures):
    with pytest.raises(InputError, match="found infecton; did you mean infection"):
        run(dataset, tmp_path / "run", task=MaskTask(LUNG_LABELS, {"infecton": 2.0}))
    assert not (tmp_path / "run").exists()
    run(dataset, tmp_path / "run")
    before = everything_in(tmp_path / "run")
    with pytest.raises(InputError, match="found infecton; did you mean infection"):
        score_the_run(dataset, tmp_path, tolerances_mm={"infecton": 2.0})
    assert everything_in(tmp_path / "run") == before


@pytest.fixture
def small_pictures(monkeypatch):
    """Of each case one picture of a pixel; other figures are blank."""

    def draw(folder: Path, case: str, *arguments, **options) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (1, 1)).save(folder / f"{case}.png")

    draw_nothing(monkeypatch)
    monkeypatch.setattr(mask_task, "draw_case", draw)


def test_scoring_again_replaces_all_folds_or_none(dataset, tmp_path, small_pictures):
    whole = run(dataset, tmp_path / "whole").run.root
    splits, task = k_fold(dataset, 3, seed=0), MaskTask(LUNG_LABELS, {"infection": 0.5})
    for fault in ("missing", "elsewhere", "locked"):
        root = RunFolder(Path(shutil.copytree(whole, tmp_path / fault)))
        last = root.fold(2)
        path = sorted((last / "predictions").iterdir())[-1]
        lock = FileLock(last / ".lock" if fault == "locked" else tmp_path / "unused")
        message = "another process writes"
        if fault == "missing":
            path.unlink()
            message = f"case {path.name[0]}: .*no such file"
        elif fault == "elsewhere":
            moved = Volume.from_source(np.zeros((8, 8, 4), np.uint8), np.diag([2.0, 1.0, 1.0, 1.0]))
            write_label_nifti(path, moved, LUNG_LABELS)
            message = f"case {path.name[0]}: .*same place"
        before = everything_in(root.root)
        with lock, pytest.raises(InputError, match=message):
            score_again(root, dataset, splits, task=task, model_choice="none")
        assert everything_in(root.root) == before


def everything_in(folder: Path) -> dict[str, int]:
    """Time of change of each file but the locks and the log."""
    return {
        str(path): path.stat().st_mtime_ns
        for path in folder.rglob("*")
        if path.is_file() and path.name not in (".lock", "log.txt")
    }


def test_scoring_again_with_another_tolerance(dataset, tmp_path, without_pictures):
    before = run(dataset, tmp_path / "run", folds=[0, 2])
    again = score_the_run(dataset, tmp_path, tolerances_mm={"infection": 0.5})
    assert not again.complete
    assert again.detailed["fold"].unique().tolist() == [0, 2]
    infection = again.detailed["class"] == "infection"
    assert (again.detailed.loc[infection, "nsd_tolerance_mm"] == 0.5).all()
    assert again.detailed["dice"].equals(before.detailed["dice"])
    with pytest.raises(
        InputError, match=r"infection have tolerances of 0.5 and 3 mm; score the run again with one tolerance"
    ):
        run(dataset, tmp_path / "run", folds=[1])
    assert score_the_run(dataset, tmp_path, tolerances_mm={"infection": 0.5}).complete
