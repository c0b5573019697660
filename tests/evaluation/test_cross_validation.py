"""Cross-validation with a method that only remembers: no network is trained here."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from threading import Timer

import numpy as np
import pandas as pd
import pytest
from filelock import FileLock

from data_io.errors import InputError
from data_io.labels import LUNG_LABELS
from data_io.layouts import open_dataset
from data_io.nifti import read_nifti, write_label_nifti
from data_io.volume import Volume
from evaluation import cross_validation, run_folder
from evaluation.cross_validation import STARTED_ELSEWHERE, cross_validate, score_again
from evaluation.final_model import train_final_model
from evaluation.report.run import case_sheets, extreme_cases
from evaluation.run_folder import RunFolder, open_finished
from evaluation.scores import COLUMNS
from evaluation.splits import Split, k_fold, to_json
from pipeline.configuration import load_settings
from pipeline.model_file import TrainedModel

FILES = {
    "settings.yaml",
    "environment.json",
    "splits.json",
    "log.txt",
    "cv_results.detailed.csv",
    "cv_results.final.csv",
    "summary.json",
    "report.html",
}


@dataclass(frozen=True)
class Threshold:
    """A method whose model is the list of cases it saw; it predicts an image's own values as classes."""

    settings: str = "threshold: 1\n"
    labels = LUNG_LABELS
    seed = 0
    model_choice = "there is nothing to choose"

    def describe(self) -> str:
        return self.settings

    def prepare(self, cases):
        for case in cases:
            case.read_pair(4)

    def fit(self, cases, folder: Path, resume=False, start_from=None):
        names = [case.name for case in cases]
        (folder / "history.csv").write_text("epoch,loss\n0,1.0\n1,0.5\n", encoding="utf-8")
        (folder / "seen.json").write_text(json.dumps(names), encoding="utf-8")
        return names

    def predict(self, model, image: Volume) -> Volume:
        return image.with_array(np.clip(image.array, 0, 3).astype(np.uint8))


@pytest.fixture
def dataset(tmp_path):
    rng = np.random.default_rng(0)
    for name in "abcdef":
        labels = rng.integers(0, 4, (8, 8, 4)).astype(np.uint8)
        for file in ("imaging.nii.gz", "segmentation.nii.gz"):
            write_label_nifti(tmp_path / "data" / name / file, Volume.from_source(labels, np.eye(4)), LUNG_LABELS)
    return open_dataset(tmp_path / "data")


def run(dataset, output, **arguments):
    return cross_validate(dataset, k_fold(dataset, 3, 0), Threshold(), output, **arguments)


def test_the_run_folder_has_every_file(dataset, tmp_path):
    results = run(dataset, tmp_path / "run")
    assert results.complete
    root = tmp_path / "run"
    assert {path.name for path in root.iterdir()} >= FILES
    detailed = pd.read_csv(root / "cv_results.detailed.csv")
    assert tuple(detailed.columns) == COLUMNS
    assert len(detailed) == 6 * 5
    assert (detailed["dice"] == 1.0).all()
    assert set(detailed["class"]) == {"background", "lung_left", "lung_right", "infection", "lungs"}
    for fold, split in enumerate(k_fold(dataset, 3, 0)):
        folder = root / f"fold_{fold}"
        assert json.loads((folder / "seen.json").read_text()) == list(split.train)
        assert {path.name for path in (folder / "predictions").iterdir()} == {f"{case}.nii.gz" for case in split.test}
        assert (folder / "fitting_curve.png").stat().st_size > 1000
        for case in split.test:
            assert (folder / "figures" / f"{case}.png").stat().st_size > 1000
            written = read_nifti(folder / "predictions" / f"{case}.nii.gz")
            np.testing.assert_array_equal(written.array, dataset.case(case).read_mask(4).array)
    assert json.loads((root / "splits.json").read_text()) == to_json(k_fold(dataset, 3, 0))
    assert json.loads((root / "summary.json").read_text())["classes"]["lungs"]["dice"]["mean"] == 1.0
    environment = (root / "environment.json").read_text()
    assert set(json.loads(environment)["data"]) == set("abcdef")
    assert str(tmp_path) not in environment
    assert Threshold.model_choice in (root / "report.html").read_text(encoding="utf-8")


def test_an_existing_run_needs_resume_or_overwrite(dataset, tmp_path):
    run(dataset, tmp_path / "run")
    with pytest.raises(InputError, match="--resume to go on or --overwrite"):
        run(dataset, tmp_path / "run")
    before = (tmp_path / "run" / "fold_0" / "metrics.csv").stat().st_mtime_ns
    run(dataset, tmp_path / "run", resume=True)
    assert (tmp_path / "run" / "fold_0" / "metrics.csv").stat().st_mtime_ns == before
    run(dataset, tmp_path / "run", overwrite=True)
    assert (tmp_path / "run" / "fold_0" / "metrics.csv").stat().st_mtime_ns != before


def test_overwrite_never_empties_a_folder_that_is_no_run(dataset, tmp_path):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.txt").write_text("years of work")
    (tmp_path / "thesis" / "settings.yaml").write_text("mine")
    for arguments in ({"overwrite": True}, {"resume": True}, {"folds": [0]}):
        with pytest.raises(InputError, match="not a run folder"):
            run(dataset, tmp_path / "thesis", **arguments)
    assert (tmp_path / "thesis" / "chapter.txt").read_text() == "years of work"


def test_folds_apart_and_the_last_writes_the_results(dataset, tmp_path):
    for fold in (2, 0):
        assert not run(dataset, tmp_path / "run", folds=[fold]).complete
        assert not (tmp_path / "run" / "report.html").exists()
    with pytest.raises(InputError, match="fold_0: the fold is finished"):
        run(dataset, tmp_path / "run", folds=[0])
    assert run(dataset, tmp_path / "run", folds=[1]).complete
    assert (tmp_path / "run" / "report.html").exists()


def test_a_fold_that_begins_again_takes_the_results_with_it(dataset, tmp_path):
    run(dataset, tmp_path / "run")
    results = {"cv_results.detailed.csv", "cv_results.final.csv", "summary.json", "report.html", "lesions.csv",
               "confusion.csv", "figures"}  # fmt: skip
    there = []

    class Looks(Threshold):
        def fit(self, *arguments):
            there.append(results & {path.name for path in (tmp_path / "run").iterdir()})
            return super().fit(*arguments)

    cross_validate(dataset, k_fold(dataset, 3, 0), Looks(), tmp_path / "run", folds=[1], overwrite=True)
    assert there == [set()]
    assert results <= {path.name for path in (tmp_path / "run").iterdir()}


def test_a_fold_that_another_process_writes_keeps_the_results(dataset, tmp_path):
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


def test_a_run_that_was_never_finished_being_made_is_no_run(dataset, tmp_path, without_pictures):
    made = run(dataset, tmp_path / "made", folds=[0]).run.root
    (made / "settings.yaml").unlink()
    shutil.rmtree(made / "fold_0")
    (made / "log.txt").unlink()
    with pytest.raises(InputError, match="not a run folder"):
        run(dataset, made, folds=[0])


def test_a_run_made_meanwhile_is_not_joined_unasked(dataset, tmp_path, without_pictures, monkeypatch):
    run(dataset, tmp_path / "run", folds=[0])
    clear = run_folder.clear

    def overtaken(folder):
        monkeypatch.setattr(run_folder, "clear", clear)
        clear(folder)
        run(dataset, folder, folds=[2])

    monkeypatch.setattr(run_folder, "clear", overtaken)
    with pytest.raises(InputError, match="exists already; use --resume"):
        run(dataset, tmp_path / "run", overwrite=True)


def test_a_fold_that_does_not_exist(dataset, tmp_path):
    with pytest.raises(InputError, match=r"folds are 0\.\.2"):
        run(dataset, tmp_path / "run", folds=[3])
    assert not (tmp_path / "run").exists()


def test_two_writers_of_one_fold(dataset, tmp_path):
    run(dataset, tmp_path / "run", folds=[0])
    folder = tmp_path / "run" / "fold_1"
    folder.mkdir()
    with FileLock(folder / ".lock"), pytest.raises(InputError, match="another process writes"):
        run(dataset, tmp_path / "run", folds=[1])
    with FileLock(folder / ".lock"), pytest.raises(InputError, match="another process writes"):
        run(dataset, tmp_path / "run", overwrite=True)
    assert folder.is_dir()


def test_an_interrupted_fold_goes_on(dataset, tmp_path, monkeypatch):
    predict = Threshold.predict
    calls = []

    def dies(self, model, image):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return predict(self, model, image)

    monkeypatch.setattr(Threshold, "predict", dies)
    with pytest.raises(KeyboardInterrupt):
        run(dataset, tmp_path / "run")
    assert not (tmp_path / "run" / "fold_0" / "metrics.csv").exists()
    with pytest.raises(InputError, match="the fold was begun"):
        run(dataset, tmp_path / "run", folds=[0])
    assert run(dataset, tmp_path / "run", resume=True).complete
    assert len(calls) == 2 + 5


@pytest.mark.parametrize("changed", ["settings", "data", "splits"])
def test_resume_refuses_another_experiment(dataset, tmp_path, changed):
    run(dataset, tmp_path / "run", folds=[0])
    splits, method = k_fold(dataset, 3, 0), Threshold()
    if changed == "settings":
        method = Threshold("threshold: 2\n")
    elif changed == "splits":
        splits = splits[::-1]
    else:
        labels = np.ones((8, 8, 4), np.uint8)
        write_label_nifti(dataset.case("a").mask, Volume.from_source(labels, np.eye(4)), LUNG_LABELS)
    with pytest.raises(InputError, match=f"{changed} differ"):
        cross_validate(dataset, splits, method, tmp_path / "run", resume=True)


def test_the_model_to_start_from_is_on_record(dataset, tmp_path):
    given = TrainedModel(None, load_settings("demo"), sha256="abc123")
    results = run(dataset, tmp_path / "run", folds=[0], start_from=given)
    assert results.run.environment["start_from"] == "abc123"
    with pytest.raises(InputError, match="start model differ"):
        run(dataset, tmp_path / "run", resume=True)


def test_a_model_to_start_from_qualifies_what_the_report_says_of_the_choice(dataset, tmp_path):
    given = TrainedModel(None, load_settings("demo"), sha256="abc123")
    root = run(dataset, tmp_path / "run", start_from=given).run.root
    for again in (False, True):
        if again:
            choice = json.loads((root / "summary.json").read_text())["model choice"]
            score_again(RunFolder(root), dataset, k_fold(dataset, 3, 0), LUNG_LABELS, choice)
        report = (root / "report.html").read_text(encoding="utf-8")
        assert "where that was trained on test cases of this run, the scores are too good" in report
        assert json.loads((root / "summary.json").read_text())["model choice"] == (
            Threshold.model_choice + STARTED_ELSEWHERE
        )
    plain = run(dataset, tmp_path / "plain").run
    assert plain.summary["model choice"] == Threshold.model_choice


def test_warnings_of_the_run_reach_its_report(dataset, tmp_path):
    from data_io.reporting import log

    class Warns(Threshold):
        def prepare(self, cases):
            log.warning("a strange split")

        def predict(self, model, image):
            log.warning("a strange CT")
            return super().predict(model, image)

    cross_validate(dataset, k_fold(dataset, 3, 0), Warns(), tmp_path / "run")
    report = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert report.count("a strange CT") == 1
    assert report.count("a strange split") == 1


def test_resume_and_overwrite_exclude_each_other(dataset, tmp_path):
    run(dataset, tmp_path / "run", folds=[0])
    with pytest.raises(InputError, match="give one of them"):
        run(dataset, tmp_path / "run", resume=True, overwrite=True)
    assert (tmp_path / "run" / "fold_0" / "metrics.csv").is_file()


def test_a_final_model_is_fitted_on_all_cases(dataset, tmp_path):
    path = train_final_model(dataset, Threshold(), tmp_path / "final")
    assert path == tmp_path / "final" / "model.keras"
    assert json.loads((tmp_path / "final" / "seen.json").read_text()) == list("abcdef")
    assert (tmp_path / "final" / "fitting_curve.png").exists()


def test_a_run_folder_that_is_a_file(dataset, tmp_path):
    (tmp_path / "run").write_text("")
    with pytest.raises(InputError, match="found a file"):
        run(dataset, tmp_path / "run")
    assert RunFolder(tmp_path / "run").fold(3) == tmp_path / "run" / "fold_3"


@pytest.fixture
def without_pictures(monkeypatch):
    """Figures and report take longer than all the rest; these tests are of the tables."""
    monkeypatch.setattr(cross_validation, "draw_case", lambda *arguments: None)
    monkeypatch.setattr(cross_validation, "draw_history", lambda *arguments: None)
    monkeypatch.setattr(cross_validation, "write_results", lambda *arguments: None)


def score_the_run(dataset, tmp_path, **arguments):
    chosen = k_fold(dataset, 3, 0)
    return score_again(RunFolder(tmp_path / "run"), dataset, chosen, LUNG_LABELS, "none", **arguments)


def test_a_tolerance_of_no_class_is_refused_before_anything_happens(dataset, tmp_path, without_pictures):
    with pytest.raises(InputError, match="found infecton; did you mean infection"):
        run(dataset, tmp_path / "run", tolerances_mm={"infecton": 2.0})
    assert not (tmp_path / "run").exists()
    run(dataset, tmp_path / "run")
    before = everything_in(tmp_path / "run")
    with pytest.raises(InputError, match="found infecton; did you mean infection"):
        score_the_run(dataset, tmp_path, tolerances_mm={"infecton": 2.0})
    assert everything_in(tmp_path / "run") == before


@pytest.mark.parametrize("fault", ["missing", "elsewhere", "locked"])
def test_scoring_again_replaces_all_folds_or_none(dataset, tmp_path, without_pictures, fault):
    run(dataset, tmp_path / "run")
    last = RunFolder(tmp_path / "run").fold(2)
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
    before = everything_in(tmp_path / "run")
    with lock, pytest.raises(InputError, match=message):
        score_the_run(dataset, tmp_path, tolerances_mm={"infection": 0.5})
    assert everything_in(tmp_path / "run") == before


def everything_in(folder: Path) -> dict[str, int]:
    """Time of change of each file but the locks and the log."""
    return {
        str(path): path.stat().st_mtime_ns
        for path in folder.rglob("*")
        if path.is_file() and path.name not in (".lock", "log.txt")
    }


@pytest.mark.parametrize("name", ["run", "fold_size"])
def test_a_run_folder_may_have_any_name(dataset, tmp_path, without_pictures, name):
    run(dataset, tmp_path / name)
    assert run(dataset, tmp_path / name, resume=True).complete
    assert open_finished(tmp_path / name, dataset).root == tmp_path / name
    run(dataset, tmp_path / name, folds=[1], overwrite=True)
    run(dataset, tmp_path / name, overwrite=True)


def test_a_fold_of_a_run_is_no_run(dataset, tmp_path, without_pictures):
    run(dataset, tmp_path / "run")
    for arguments in ({"overwrite": True}, {"resume": True}):
        with pytest.raises(InputError, match="not a run folder"):
            run(dataset, tmp_path / "run" / "fold_0", **arguments)
    assert (tmp_path / "run" / "fold_0" / "metrics.csv").is_file()


def test_a_case_tested_twice_has_both_its_pictures(dataset, tmp_path):
    """A model of fold 0 that is wrong everywhere, one of fold 1 that is right; case a is in both."""

    class Differs(Threshold):
        def fit(self, cases, folder, resume=False, start_from=None):
            super().fit(cases, folder)
            return folder.name

        def predict(self, model, image):
            right = super().predict(model, image)
            return right if model == "fold_1" else right.with_array(np.full_like(right.array, 1))

    chosen = (Split(("b", "c"), ("a",)), Split(("d", "e"), ("a",)))
    results = cross_validate(dataset, chosen, Differs(), tmp_path / "run")
    folders = {(fold, "a"): results.run.fold(fold) / "figures" for fold in (0, 1)}
    (strips,) = extreme_cases(results.detailed, folders).values()
    assert [(strip.caption, strip.path.parent.parent.name) for strip in strips] == [
        ("a, fold 0: Dice of infection 0.000", "fold_0"),
        ("a, fold 1: Dice of infection 1.000", "fold_1"),
    ]
    assert [path.parent.parent.name for _, path in case_sheets(results.detailed, folders)] == ["fold_0", "fold_1"]
    assert (tmp_path / "run" / "report.html").read_text().count("data-film=") == 2


def test_scoring_again_with_another_tolerance(dataset, tmp_path, without_pictures):
    before = run(dataset, tmp_path / "run", folds=[0, 2])
    again = score_the_run(dataset, tmp_path, tolerances_mm={"infection": 0.5})
    assert not again.complete
    assert again.detailed["fold"].unique().tolist() == [0, 2]
    infection = again.detailed["class"] == "infection"
    assert (again.detailed.loc[infection, "nsd_tolerance_mm"] == 0.5).all()
    assert again.detailed["dice"].equals(before.detailed["dice"])
