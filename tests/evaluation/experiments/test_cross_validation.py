"""Cross-validation: the run folder, resuming, final models."""

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.nifti import write_label_nifti
from pneumoseg.data_io.formats.probability_levels import probability_levels
from pneumoseg.data_io.formats.reading import read_volume
from pneumoseg.data_io.volumes.labels import LUNG_LABELS
from pneumoseg.data_io.volumes.volume import Volume
from pneumoseg.evaluation.experiments.cross_validation import cross_validate
from pneumoseg.evaluation.experiments.full_training import train_final_model
from pneumoseg.evaluation.experiments.mask_task import MaskTask
from pneumoseg.evaluation.experiments.rescoring import score_again
from pneumoseg.evaluation.experiments.run_results import STARTED_ELSEWHERE
from pneumoseg.evaluation.report.mask_figures import case_sheets, extreme_cases
from pneumoseg.evaluation.runs.run_folder import RunFolder, open_finished
from pneumoseg.evaluation.runs.splits import Split, k_fold, to_json
from pneumoseg.evaluation.scoring.mask_columns import COLUMNS
from pneumoseg.evaluation.scoring.pooled import read_pooled
from pneumoseg.pipeline.methods.protocol import RankedMask
from pneumoseg.pipeline.models.model_file import TrainedModel
from pneumoseg.pipeline.settings.loading import load_settings
from tests.evaluation.threshold import FILES, Threshold, run


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
    for fold, split in enumerate(k_fold(dataset, 3, seed=0)):
        folder = root / f"fold_{fold}"
        assert json.loads((folder / "seen.json").read_text()) == list(split.train)
        assert {path.name for path in (folder / "predictions").iterdir()} == {f"{case}.nii.gz" for case in split.test}
        assert (folder / "fitting_curve.png").stat().st_size > 1000
        for case in split.test:
            assert (folder / "figures" / f"{case}.png").stat().st_size > 1000
            written = read_volume(folder / "predictions" / f"{case}.nii.gz")
            np.testing.assert_array_equal(written.array, dataset.case(case).read_mask(4).array)
    assert json.loads((root / "splits.json").read_text()) == to_json(k_fold(dataset, 3, seed=0))
    assert json.loads((root / "summary.json").read_text())["classes"]["lungs"]["dice"]["mean"] == 1.0
    environment = (root / "environment.json").read_text()
    assert set(json.loads(environment)["data"]) == set("abcdef")
    assert str(tmp_path) not in environment
    assert Threshold.model_choice in (root / "report.html").read_text(encoding="utf-8")


def test_an_existing_run_needs_resume_or_overwrite(dataset, tmp_path, without_pictures):
    run(dataset, tmp_path / "run")
    with pytest.raises(InputError, match="resume it or overwrite it"):
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


def test_a_fold_that_does_not_exist(dataset, tmp_path):
    with pytest.raises(InputError, match=r"folds are 0\.\.2"):
        run(dataset, tmp_path / "run", folds=[3])
    assert not (tmp_path / "run").exists()


def test_an_interrupted_fold_goes_on(dataset, tmp_path, without_pictures, monkeypatch):
    predict = Threshold.predict
    calls = []

    def dies(self, model, case):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return predict(self, model, case)

    monkeypatch.setattr(Threshold, "predict", dies)
    with pytest.raises(KeyboardInterrupt):
        run(dataset, tmp_path / "run")
    assert not (tmp_path / "run" / "fold_0" / "metrics.csv").exists()
    with pytest.raises(InputError, match="the fold was begun"):
        run(dataset, tmp_path / "run", folds=[0])
    assert run(dataset, tmp_path / "run", resume=True).complete
    assert len(calls) == 2 + 5


@pytest.mark.parametrize("changed", ["settings", "data", "splits"])
def test_resume_refuses_another_experiment(dataset, tmp_path, without_pictures, changed):
    run(dataset, tmp_path / "run", folds=[0])
    splits, method = k_fold(dataset, 3, seed=0), Threshold()
    if changed == "settings":
        method = Threshold("threshold: 2\n")
    elif changed == "splits":
        splits = splits[::-1]
    else:
        labels = np.ones((8, 8, 4), np.uint8)
        write_label_nifti(dataset.case("a").mask, Volume.from_source(labels, np.eye(4)), LUNG_LABELS)
    with pytest.raises(InputError, match=f"{changed}.* differ"):
        cross_validate(dataset, splits, method, output=tmp_path / "run", resume=True)


def test_the_model_to_start_from_is_on_record(dataset, tmp_path, without_pictures):
    given = TrainedModel(None, load_settings("demo"), sha256="abc123")
    results = run(dataset, tmp_path / "run", folds=[0], start_from=given)
    assert results.run.environment["start_from"] == "abc123"
    with pytest.raises(InputError, match="start model differ"):
        run(dataset, tmp_path / "run", resume=True)


def test_a_model_to_start_from_qualifies_what_the_report_says_of_the_choice(dataset, tmp_path, without_figures):
    given = TrainedModel(None, load_settings("demo"), sha256="abc123")
    root = run(dataset, tmp_path / "run", start_from=given).run.root
    for again in (False, True):
        if again:
            choice = json.loads((root / "summary.json").read_text())["model choice"]
            score_again(
                RunFolder(root), dataset, k_fold(dataset, 3, seed=0), task=MaskTask(LUNG_LABELS), model_choice=choice
            )
        report = (root / "report.html").read_text(encoding="utf-8")
        assert "where that was trained on test cases of this run, the scores are too good" in report
        assert json.loads((root / "summary.json").read_text())["model choice"] == (
            Threshold.model_choice + STARTED_ELSEWHERE
        )
    plain = run(dataset, tmp_path / "plain").run
    assert plain.summary["model choice"] == Threshold.model_choice


def test_warnings_of_the_run_reach_its_report(dataset, tmp_path, without_figures):
    from pneumoseg.data_io.console import log

    class Warns(Threshold):
        def prepare(self, cases):
            log.warning("a strange split")

        def predict(self, model, case):
            log.warning("a strange CT")
            return super().predict(model, case)

    cross_validate(dataset, k_fold(dataset, 3, seed=0), Warns(), output=tmp_path / "run")
    report = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert report.count("a strange CT") == 1
    assert report.count("a strange split") == 1


def test_resume_and_overwrite_exclude_each_other(dataset, tmp_path, without_pictures):
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


@pytest.mark.parametrize("name", ["run", "fold_size"])
def test_a_run_folder_may_have_any_name(dataset, tmp_path, without_pictures, name):
    run(dataset, tmp_path / name)
    assert run(dataset, tmp_path / name, resume=True).complete
    assert open_finished(tmp_path / name).root == tmp_path / name
    run(dataset, tmp_path / name, folds=[1], overwrite=True)
    run(dataset, tmp_path / name, overwrite=True)


def test_a_fold_of_a_run_is_no_run(dataset, tmp_path, without_pictures):
    run(dataset, tmp_path / "run")
    for arguments in ({"overwrite": True}, {"resume": True}):
        with pytest.raises(InputError, match="not a run folder"):
            run(dataset, tmp_path / "run" / "fold_0", **arguments)
    assert (tmp_path / "run" / "fold_0" / "metrics.csv").is_file()


def test_a_case_tested_twice_has_both_its_pictures(dataset, tmp_path, unrendered, without_score_figures):
    """A model of fold 0 that is wrong everywhere, one of fold 1 that is right; case a is in both."""

    class Differs(Threshold):
        def fit(self, cases, folder, *, resume=False, start_from=None):
            super().fit(cases, folder)
            return folder.name

        def predict(self, model, case):
            right = super().predict(model, case)
            return right if model == "fold_1" else right.with_array(np.full_like(right.array, 1))

    splits = (Split(("b", "c"), ("a",)), Split(("d", "e"), ("a",)))
    results = cross_validate(dataset, splits, Differs(), output=tmp_path / "run")
    folders = {(fold, "a"): results.run.fold(fold) / "figures" for fold in (0, 1)}
    (strips,) = extreme_cases(results.detailed, folders).values()
    assert [(strip.caption, strip.path.parent.parent.name) for strip in strips] == [
        ("a, fold 0: Dice of infection 0.000", "fold_0"),
        ("a, fold 1: Dice of infection 1.000", "fold_1"),
    ]
    assert [path.parent.parent.name for _, path in case_sheets(results.detailed, folders)] == ["fold_0", "fold_1"]
    assert (tmp_path / "run" / "report.html").read_text().count("data-film=") == 2


class Ranks(Threshold):
    """Right masks, and probabilities that are drawn at random."""

    def predict(self, model, case):
        mask = super().predict(model, case)
        return RankedMask(mask, probability_levels(drawn(case.name)))


def drawn(case: str) -> np.ndarray:
    chances = np.random.default_rng(ord(case)).random((8, 8, 4, 4), np.float32)
    return chances / chances.sum(axis=-1, keepdims=True)


def test_a_method_that_gives_probabilities_has_the_auc(dataset, tmp_path, without_figures, monkeypatch):
    """Also of folds that were interrupted: their finished predictions are kept with the probabilities."""
    predict, calls = Ranks.predict, []

    def dies(self, model, case):
        calls.append(case.name)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return predict(self, model, case)

    monkeypatch.setattr(Ranks, "predict", dies)
    splits, output = k_fold(dataset, 3, seed=0), tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        cross_validate(dataset, splits, Ranks(), output=output)
    results = cross_validate(dataset, splits, Ranks(), output=output, resume=True)
    assert len(calls) == 2 + 5
    truth = {case: dataset.case(case).read_mask(4).array for case in "abcdef"}
    areas = results.detailed.set_index(["case", "class"])["auc"]
    for case, labels in truth.items():
        expected = roc_auc_score(labels.ravel() == 3, drawn(case)[..., 3].ravel())
        assert areas[case, "infection"] == pytest.approx(expected, abs=1e-3)
    pooled = read_pooled(output / "pooled.csv").set_index(["fold", "class"])["auc"]
    labels, chances = (np.concatenate([part[case].ravel() for case in "abcdef"]) for part in (
        truth, {case: drawn(case)[..., 3] for case in "abcdef"}))  # fmt: skip
    assert pooled["all", "infection"] == pytest.approx(roc_auc_score(labels == 3, chances), abs=1e-3)
    assert "AUC" in (output / "report.html").read_text(encoding="utf-8")
    before = {name: (output / name).read_text() for name in ("pooled.csv", "cv_results.detailed.csv")}
    score_again(RunFolder(output), dataset, splits, task=MaskTask(LUNG_LABELS), model_choice="none")
    assert {name: (output / name).read_text() for name in before} == before
    cross_validate(dataset, splits, Ranks(), output=output, overwrite=True)


def test_without_probabilities_there_are_no_further_files_or_columns(dataset, tmp_path, without_figures):
    output = run(dataset, tmp_path / "run").run.root
    assert not list(output.rglob("*.npz"))
    assert not list(output.rglob("probability_histograms.csv"))
    assert "auc" not in read_pooled(output / "pooled.csv")
