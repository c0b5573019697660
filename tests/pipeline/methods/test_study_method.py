"""What the method for whole studies refuses, fits, writes and predicts."""

import numpy as np
import pandas as pd
import pytest

from pneumoseg.data_io.datasets.cohort_file import read_study
from pneumoseg.data_io.datasets.dataset import Case
from pneumoseg.data_io.datasets.loaded_case import LoadedCase
from pneumoseg.data_io.datasets.studies import Study
from pneumoseg.data_io.errors import InputError
from pneumoseg.pipeline.methods import study_method
from pneumoseg.pipeline.methods.study_method import StudyMethod, _threshold
from pneumoseg.pipeline.methods.study_prediction import StudyPrediction
from pneumoseg.pipeline.models.study_model import StudyModel
from pneumoseg.pipeline.networks.study_networks import build_study_network
from pneumoseg.pipeline.prediction.study_outputs import study_outputs
from pneumoseg.pipeline.settings.loading import change_settings, load_study_settings

SMALL = [
    *("input.shape=[8, 8, 8]", "input.lungs=multiplied", "network.filters=[2]", "network.first_stride=1"),
    "network.dense_units=4",
    *("training.epochs=1", "training.precision=float32"),
]


def method(*changes: str) -> StudyMethod:
    return StudyMethod(load_study_settings("hrct-joint-cpu", [*SMALL, *changes]))


@pytest.fixture
def cohort(write_studies):
    return write_studies([True, False] * 5, [80.0, 0.0, None, 0.0, 40.0, 0.0, 20.0, 0.0, 10.0, 0.0])


def test_studies_that_can_be_learnt_are_read_once(cohort):
    assert [study.name for study in method().prepare(cohort)] == [case.name for case in cohort]


def test_what_it_fits_writes_and_predicts(cohort, tmp_path, monkeypatch):
    folder = tmp_path / "fold_0"
    model = method().fit(cohort, folder)
    files = {path.name for path in folder.iterdir()}
    assert files == {"model.keras", "history.csv", "network.txt", "training_predictions.csv"}
    assert model.preparation == {"mask": "classical"}
    table = pd.read_csv(folder / "training_predictions.csv")
    assert list(table) == ["case", "given_label", "probability", "given_score", "score"]
    assert list(table["case"]) == [case.name for case in cohort]
    np.testing.assert_array_equal(table["given_label"], [1, 0] * 5)
    assert table["given_score"].isna().sum() == 1
    assert table["probability"].between(0, 1).all() and table["score"].between(0, 100).all()
    history = pd.read_csv(folder / "history.csv")
    assert len(history) == 1 and "val_loss" in history

    explained = method().predict(model, LoadedCase(cohort.cases[0]))
    assert {head: heat.array.shape for head, heat in explained.maps.items()} == dict.fromkeys(
        ("label", "score"), cohort.cases[0].read_grid().shape
    )
    predicted = explained.prediction
    assert predicted.probability == pytest.approx(table["probability"][0], rel=1e-5)
    assert predicted.score == pytest.approx(table["score"][0], rel=1e-4, abs=1e-4)
    assert predicted.threshold == model.threshold

    def no_training(*arguments, **options):
        pytest.fail("trained again")

    monkeypatch.setattr(study_method, "train_studies", no_training)
    again = method().fit(cohort, folder, resume=True)
    assert again.threshold == model.threshold
    for ours, theirs in zip(again.network.get_weights(), model.network.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_the_inner_studies_are_whole_patients_that_are_not_trained_on(cohort, tmp_path, monkeypatch):
    seen = {}

    def train(studies, settings, folder, *, validation, **options):
        seen.update(training=[study.patient for study in studies], inner=[study.patient for study in validation])
        return build_study_network(settings)

    monkeypatch.setattr(study_method, "train_studies", train)
    method("training.validation_share=0.3").fit(cohort, tmp_path / "run")
    assert len(seen["inner"]) == 3
    assert not set(seen["inner"]) & set(seen["training"])
    assert len(seen["inner"]) + len(seen["training"]) == 10
    method("training.validation_share=0").fit(cohort, tmp_path / "other")
    assert (len(seen["inner"]), len(seen["training"])) == (0, 10)


def test_the_threshold_is_that_of_the_inner_studies_alone(cohort):
    predictions = {study.name: StudyPrediction(0.9 if study.diseased else 0.7, None) for study in cohort}
    assert _threshold(cohort.cases[:4], predictions) == pytest.approx(0.8)
    assert _threshold([], predictions) == 0.5
    silent = {study.name: StudyPrediction(None, 3.0) for study in cohort}
    assert _threshold(cohort.cases, silent) == 0.5


def test_what_cannot_be_learnt_is_refused_before_the_training(write_studies):
    one_class = write_studies([True, True], [50.0, 60.0])
    with pytest.raises(InputError, match="found 2 studies that are diseased"):
        method().prepare(one_class)
    assert len(method("network.heads=[score]").prepare(one_class)) == 2
    with pytest.raises(
        InputError, match=r"\[16, 8, 8\] voxels \(z, y, x\) are needed by the settings, found \[8, 8, 8\]"
    ):
        method("input.shape=[16, 8, 8]").prepare(one_class)
    without_scores = write_studies([True, False], [None, None], name="labels.h5")
    with pytest.raises(InputError, match="no score is known"):
        method().prepare(without_scores)
    with pytest.raises(InputError, match="none of study_00, study_01"):
        method("network.heads=[score]").prepare(without_scores)


def test_an_empty_lung_mask_is_refused_by_name(cohort, monkeypatch):
    monkeypatch.setattr(study_method, "read_study", lambda path, index: (None, np.zeros(3)))
    with pytest.raises(InputError, match="case study_00: its lung mask is empty"):
        method().prepare(cohort)
    assert len(method("input.lungs=ignored").prepare(cohort)) == 10


def test_cases_that_are_no_studies_are_refused(cohort, tmp_path):
    case = Case("ct", tmp_path / "ct.nii.gz", None, "ct")
    with pytest.raises(InputError, match=r"studies of a cohort file are needed .*, found the case ct"):
        method().prepare([case])
    with pytest.raises(InputError, match="found none"):
        method().prepare([])


def test_predicting_needs_the_shape_of_the_training(cohort):
    settings = load_study_settings("hrct-joint-cpu", [*SMALL, "input.shape=[16, 8, 8]"])
    model = StudyModel(build_study_network(settings), settings, {})
    with pytest.raises(InputError, match=r"case study_00: the network was trained on CTs of \[16, 8, 8\]"):
        method().predict(model, LoadedCase(cohort.cases[0]))


def test_a_prediction_does_not_look_at_the_targets(cohort):
    settings = change_settings(method().settings, ["evaluation.grad_cam=false"], "test")
    model, plain = StudyModel(build_study_network(settings), settings, {}, 0.4), StudyMethod(settings)
    study = cohort.cases[0]
    blind = Study(study.name, study.image, None, study.patient, index=study.index)
    predicted = plain.predict(model, LoadedCase(blind))
    outputs = study_outputs(model, *read_study(study.image, 0))
    assert predicted == StudyPrediction(outputs.probability, outputs.score, 0.4)
    assert predicted == plain.predict(model, LoadedCase(study))


def test_training_studies_of_one_label_are_refused_beforehand(write_studies):
    mixed = write_studies([True] + [False] * 5, [None] * 6)
    plain = method("network.heads=[label]", "training.validation_share=0", "training.early_stop_patience=null")
    plain.check_training(mixed)
    healthy = mixed.select([case.name for case in mixed if not case.diseased])
    with pytest.raises(
        InputError,
        match=r"^5 training studies: a label .* found 5 studies that are healthy .*; or use fewer folds",
    ) as refused:
        plain.check_training(healthy)
    assert refused.value.options == ("splits", "changes")
    with pytest.raises(InputError, match=r"^[12] training studies, without [45] that choose the model: .*label"):
        method("network.heads=[label]", "training.validation_share=0.8").check_training(mixed)
