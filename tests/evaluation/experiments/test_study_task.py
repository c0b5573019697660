"""Predictions of studies as files and scores, and a run of a method that needs no network."""

import functools
import json

import pytest

from pneumoseg.data_io.datasets.loaded_case import LoadedCase
from pneumoseg.data_io.errors import InputError
from pneumoseg.evaluation.experiments.cross_validation import cross_validate
from pneumoseg.evaluation.experiments.rescoring import score_again
from pneumoseg.evaluation.experiments.study_task import StudyTask
from pneumoseg.evaluation.measures.resampling import patient_bootstrap
from pneumoseg.evaluation.runs.run_folder import open_finished
from pneumoseg.evaluation.runs.splits import Split
from pneumoseg.pipeline.methods.study_prediction import StudyPrediction
from tests.evaluation.fake_studies import Guess, studies

CASE = LoadedCase(studies(8).cases[5])


@pytest.fixture(autouse=True)
def few_resamples(monkeypatch):
    """Intervals from few resamples: what is tested here is that they are there."""
    few = functools.partial(patient_bootstrap, resamples=50)
    monkeypatch.setattr("pneumoseg.evaluation.scoring.study_tables.patient_bootstrap", few)


def folds(dataset) -> list[Split]:
    names = [case.name for case in dataset]
    half = len(names) // 2
    return [Split(tuple(names[half:]), tuple(names[:half])), Split(tuple(names[:half]), tuple(names[half:]))]


@pytest.mark.parametrize(
    "prediction", [StudyPrediction(0.25, 41.5, 0.3), StudyPrediction(None, 0), StudyPrediction(1, None)]
)
def test_what_is_written_is_read(tmp_path, prediction):
    task = StudyTask()
    path = tmp_path / task.file_name("study05")
    task.write(path, prediction)
    assert task.read(path, CASE) == prediction


@pytest.mark.parametrize(
    "content, reason",
    [
        ({"probability": 0.5, "score": None}, "has probability, score, threshold"),
        ({"probability": 0.5, "score": None, "threshold": 0.5, "mask": 1}, "found probability"),
        ({"probability": None, "score": None, "threshold": 0.5}, "found neither"),
        ({"probability": 1.5, "score": None, "threshold": 0.5}, "probability lies between 0 and 1, found 1.5"),
        ({"probability": 0.5, "score": 101, "threshold": 0.5}, "score lies between 0 and 100"),
        ({"probability": 0.5, "score": "high", "threshold": 0.5}, "found high"),
        ({"probability": True, "score": None, "threshold": 0.5}, "found True"),
        ({"probability": 0.5, "score": None, "threshold": None}, "threshold lies"),
    ],
)
def test_other_content_is_refused(tmp_path, content, reason):
    path = tmp_path / "study05.json"
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match=reason):
        StudyTask().read(path, CASE)


@pytest.mark.parametrize(
    "text", ["", '{"probability": 0.5', '{"probability": NaN, "score": 1, "threshold": 0.5}', "[]"]
)
def test_damaged_files_are_refused(tmp_path, text):
    path = tmp_path / "study05.json"
    path.write_text(text)
    with pytest.raises(InputError, match=r"study05\.json"):
        StudyTask().read(path, CASE)


def test_a_bad_prediction_is_not_written(tmp_path):
    with pytest.raises(InputError, match="study05: a method's prediction: score lies"):
        StudyTask().write(tmp_path / "study05.json", StudyPrediction(None, float("nan")))
    assert not list(tmp_path.iterdir())


def test_scores_by_eye():
    rows = StudyTask().score(1, CASE, StudyPrediction(0.75, 42.5, 0.5)).rows
    assert [row["class"] for row in rows] == ["disease", "severity"]
    assert (rows[0]["accuracy"], rows[0]["brier"]) == (1.0, 0.0625)
    assert (rows[1]["absolute_error"], rows[1]["within_one"], rows[1]["fold"]) == (20.0, 1.0, 1)


def test_what_is_not_known_is_not_scored():
    unlabelled = LoadedCase(studies(8, labels=False).cases[5])
    scored = StudyTask().score(0, unlabelled, StudyPrediction(0.75, 42.5))
    assert [row["class"] for row in scored.rows] == ["severity"]
    assert scored.prediction["predicted_label"] == "diseased"
    assert [row["class"] for row in StudyTask().score(0, CASE, StudyPrediction(0.75, None)).rows] == ["disease"]


def test_other_cases_are_refused():
    with pytest.raises(InputError, match="a study of a cohort is needed"):
        StudyTask().score(0, type("Other", (), {"name": "ct"})(), StudyPrediction(0.5, None))


def test_a_run_from_the_folds_to_the_report_and_again(tmp_path):
    dataset, task, root = studies(16), StudyTask(), tmp_path / "run"
    results = cross_validate(dataset, folds(dataset), Guess(), output=root, task=task)
    assert results.complete
    assert set(results.final["class"]) == {"disease", "severity"}
    names = {path.name for path in root.iterdir()}
    assert {"predictions.csv", "classification.csv", "agreement.csv", "categories_off.csv", "accuracy.csv"} <= names
    drawn = {path.name for path in (root / "figures").iterdir()}
    assert drawn == {"label_curves.png", "label_confusion.png", "score_agreement.png", "category_confusion.png"}
    report = (root / "report.html").read_text()
    for text in ("AUC", "ICC(2,1)", "Training and test", "categories off", "not calibrated for other cohorts"):
        assert text in report
    assert "undefined" not in report.split("Warnings")[2].split("Figures")[0]
    written = {path: path.read_bytes() for path in root.glob("*.csv")}
    for path in written:
        path.unlink()
    score_again(open_finished(root), dataset, folds(dataset), task=task, model_choice="nothing to choose")
    assert {path: path.read_bytes() for path in root.glob("*.csv")} == written


def test_a_run_of_one_head_without_training_predictions(tmp_path, unrendered):
    dataset = studies(16, scores=False)
    results = cross_validate(
        dataset, folds(dataset), Guess(score=False, training=False), output=tmp_path / "run", task=StudyTask()
    )
    assert set(results.final["class"]) == {"disease"}
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert "accuracy.csv" in names
    assert not names & {"agreement.csv", "categories_off.csv"}
    cross_validate(  # overwriting knows the files of the task
        dataset, folds(dataset), Guess(score=False), output=tmp_path / "run", task=StudyTask(), overwrite=True
    )


class TwoLabels(Guess):
    """Learns from diseased and healthy studies alone, and says so beforehand."""

    def check_training(self, cases):
        if len({case.diseased for case in cases}) < 2:
            raise InputError("one label alone", options=("splits",))


def test_a_fold_that_cannot_be_learnt_is_refused_before_the_first_trains(tmp_path, unrendered):
    dataset = studies(8)
    names = [case.name for case in dataset]
    healthy = tuple(case.name for case in dataset if not case.diseased)
    diseased = tuple(name for name in names if name not in healthy)
    splits = [Split(tuple(names[4:]), tuple(names[:4])), Split(healthy, diseased)]
    with pytest.raises(InputError, match=r"^fold 1: one label alone") as refused:
        cross_validate(dataset, splits, TwoLabels(), output=tmp_path / "run", task=StudyTask())
    assert refused.value.options == ("splits",)
    assert not (tmp_path / "run").exists()
    cross_validate(dataset, splits, TwoLabels(), output=tmp_path / "run", task=StudyTask(), folds=[0])
