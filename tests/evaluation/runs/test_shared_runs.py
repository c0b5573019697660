"""Several processes that work on one run folder."""

import shutil
from threading import Timer

import pytest
from filelock import FileLock

from pneumoseg.data_io.errors import InputError
from pneumoseg.evaluation.experiments.cross_validation import cross_validate
from pneumoseg.evaluation.runs import run_folder
from pneumoseg.evaluation.runs.splits import k_fold
from tests.evaluation.threshold import FILES, Threshold, run


def test_folds_apart_and_the_last_writes_the_results(dataset, tmp_path, without_case_pictures):
    for fold in (2, 0):
        assert not run(dataset, tmp_path / "run", folds=[fold]).complete
        assert not (tmp_path / "run" / "report.html").exists()
    with pytest.raises(InputError, match="fold_0: the fold is finished"):
        run(dataset, tmp_path / "run", folds=[0])
    assert run(dataset, tmp_path / "run", folds=[1]).complete
    assert (tmp_path / "run" / "report.html").exists()


def test_a_fold_that_begins_again_takes_the_results_with_it(dataset, tmp_path, without_case_pictures):
    run(dataset, tmp_path / "run")
    results = {"cv_results.detailed.csv", "cv_results.final.csv", "summary.json", "report.html", "lesions.csv",
               "confusion.csv", "pooled.csv", "figures"}  # fmt: skip
    there = []

    class Looks(Threshold):
        def fit(self, *arguments, **options):
            there.append(results & {path.name for path in (tmp_path / "run").iterdir()})
            return super().fit(*arguments, **options)

    cross_validate(dataset, k_fold(dataset, 3, seed=0), Looks(), output=tmp_path / "run", folds=[1], overwrite=True)
    assert there == [set()]
    assert results <= {path.name for path in (tmp_path / "run").iterdir()}


def test_a_fold_that_another_process_writes_keeps_the_results(dataset, tmp_path, without_case_pictures):
    run(dataset, tmp_path / "run")
    with FileLock(tmp_path / "run" / "fold_1" / ".lock"), pytest.raises(InputError, match="another process writes"):
        run(dataset, tmp_path / "run", folds=[1], overwrite=True)
    assert {path.name for path in (tmp_path / "run").iterdir()} >= FILES


def test_a_fold_that_is_named_twice_is_run_once(dataset, tmp_path, without_pictures):
    results = run(dataset, tmp_path / "run", folds=[1, 1])
    assert results.detailed["fold"].unique().tolist() == [1]


def test_a_run_that_another_process_is_making_is_waited_for(dataset, tmp_path, without_pictures):
    made = run(dataset, tmp_path / "made", folds=[0]).run.root
    half = tmp_path / "half"
    half.mkdir()
    lock = FileLock(half / ".lock", thread_local=False)

    def finish():
        for name in ("environment.json", "settings.yaml"):
            shutil.copy(made / name, half)
        lock.release()

    with lock:
        shutil.copy(made / "splits.json", half)
        Timer(0.3, finish).start()
        assert run(dataset, half, folds=[1]).detailed["fold"].unique().tolist() == [1]


@pytest.mark.parametrize("marks", [("settings.yaml",), ("settings.yaml", "environment.json")])
def test_a_run_that_a_process_died_over_while_it_made_it_is_made_by_the_next(
    dataset, tmp_path, without_pictures, marks
):
    made = run(dataset, tmp_path / "made", folds=[0]).run.root
    for name in (*marks, "log.txt"):
        (made / name).unlink()
    shutil.rmtree(made / "fold_0")
    assert run(dataset, made, folds=[0]).detailed["fold"].unique().tolist() == [0]


def test_a_run_made_meanwhile_is_not_joined_unasked(dataset, tmp_path, without_pictures, monkeypatch):
    run(dataset, tmp_path / "run", folds=[0])
    clear = run_folder.clear

    def overtaken(folder, *arguments):
        monkeypatch.setattr(run_folder, "clear", clear)
        clear(folder, *arguments)
        run(dataset, folder, folds=[2])

    monkeypatch.setattr(run_folder, "clear", overtaken)
    with pytest.raises(InputError, match="exists already; resume it or overwrite it"):
        run(dataset, tmp_path / "run", overwrite=True)


def test_two_writers_of_one_fold(dataset, tmp_path, without_case_pictures):
    run(dataset, tmp_path / "run", folds=[0])
    folder = tmp_path / "run" / "fold_1"
    folder.mkdir()
    with FileLock(folder / ".lock"), pytest.raises(InputError, match="another process writes"):
        run(dataset, tmp_path / "run", folds=[1])
    with FileLock(folder / ".lock"), pytest.raises(InputError, match="another process writes"):
        run(dataset, tmp_path / "run", overwrite=True)
    assert folder.is_dir()
