"""The method for whole studies: fit a network to these, say of those whether there is the disease and how severe."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from pneumoseg.data_io.console import track
from pneumoseg.data_io.datasets.cohort_file import read_header, read_study
from pneumoseg.data_io.datasets.dataset import Case, Dataset, named
from pneumoseg.data_io.datasets.loaded_case import LoadedCase
from pneumoseg.data_io.datasets.studies import Study
from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.storage.atomic import write_text
from pneumoseg.data_io.storage.csv_files import write_table
from pneumoseg.data_io.volumes.volume import Volume
from pneumoseg.pipeline.methods.study_prediction import TRAINING_PREDICTIONS, ExplainedStudy, StudyPrediction
from pneumoseg.pipeline.models.model_file import TrainedModel
from pneumoseg.pipeline.models.study_model import StudyModel, load_study_model, save_study_model
from pneumoseg.pipeline.networks.study_summary import study_summary
from pneumoseg.pipeline.prediction.grad_cam import grad_cam
from pneumoseg.pipeline.prediction.study_outputs import study_outputs
from pneumoseg.pipeline.settings.loading import settings_yaml
from pneumoseg.pipeline.settings.studies import StudySettings
from pneumoseg.pipeline.training.inner_validation import held_back_patients, youden_threshold
from pneumoseg.pipeline.training.loop import STATE_FOLDER
from pneumoseg.pipeline.training.study_targets import check_targets
from pneumoseg.pipeline.training.study_training import train_studies

MODEL_FILE = "model.keras"
NETWORK_FILE = "network.txt"


@dataclass(frozen=True)
class StudyMethod:
    """Classification and severity of whole studies as the settings describe them, a `protocol.Method`. Its cases are
    those of a cohort file, `datasets.studies.open_cohort`; what it predicts are `StudyPrediction`s."""

    settings: StudySettings

    @property
    def seed(self) -> int:
        """The seed of splits, changes of images and initial weights."""
        return self.settings.seed

    @property
    def model_choice(self) -> str:
        """How the model that counts is chosen, in words."""
        return self.settings.model_choice

    def describe(self) -> str:
        """All settings as YAML."""
        return settings_yaml(self.settings)

    def prepare(self, cases: Sequence[Case] | Dataset) -> list[Study]:
        """The studies, each read once, so that a damaged one is found before the training.

        Raises InputError for cases that are no studies of a cohort file, for a cohort of another shape than the
        settings', for targets that cannot be learnt (see `study_targets.check_targets`), and for a study that cannot be
        read or, where the network sees the lungs alone, has none.
        """
        studies = _studies(cases)
        _preparation(studies, self.settings)
        check_targets(studies, self.settings.network.heads)
        for study in track(studies, "Reading", len(studies)):
            with named(study.name):
                _, lungs = read_study(study.image, study.index)
                if self.settings.input.lungs == "multiplied" and not lungs.any():
                    raise InputError("its lung mask is empty; leave the study out, or prepare it with another mask")
        return studies

    def check_training(self, cases: Sequence[Case] | Dataset) -> None:
        """Raises InputError where these studies, without those that choose the model, are of one label, or of none of a
        head's targets."""
        training, held_back = self._parted(_studies(cases))
        try:
            check_targets(training, self.settings.network.heads)
        except InputError as error:
            without = f", without {len(held_back)} that choose the model" if held_back else ""
            raise InputError(
                f"{len(training)} training studies{without}: {error}; or use fewer folds, splits that share out the "
                "labels, or a smaller training.validation_share",
                options=("splits", "changes"),
            ) from error

    def fit(
        self,
        cases: Sequence[Case] | Dataset,
        folder: str | Path,
        *,
        resume: bool = False,
        start_from: TrainedModel | StudyModel | None = None,
    ) -> StudyModel:
        """Trains on `cases` and writes `folder`/model.keras, history.csv, network.txt (its layers) and
        training_predictions.csv: what the model says of the studies that it was trained on and chosen by.

        With `resume`, a finished model is read and an interrupted training goes on at its last whole epoch.
        `start_from`: see `study_training.train_studies`. Raises InputError as `prepare` and `train_studies`.
        """
        folder = Path(folder)
        path, table = folder / MODEL_FILE, folder / TRAINING_PREDICTIONS
        if resume and path.is_file() and table.is_file():
            shutil.rmtree(folder / STATE_FOLDER, ignore_errors=True)
            return load_study_model(path)
        shutil.rmtree(folder / "predictions", ignore_errors=True)  # an earlier model's, which would be kept
        studies, settings = _studies(cases), self.settings
        preparation = _preparation(studies, settings)
        training, held_back = self._parted(studies)
        check_targets(training, settings.network.heads)
        network = train_studies(training, settings, folder, validation=held_back, resume=resume, start_from=start_from)
        write_text(folder / NETWORK_FILE, study_summary(network, settings))
        model = StudyModel(network, settings, preparation)
        predictions = {study.name: predict_study(model, study) for study in track(studies, "Predicting", len(studies))}
        model = StudyModel(network, settings, preparation, _threshold(held_back, predictions))
        save_study_model(path, model)
        write_table(_training_table(studies, predictions), table)
        shutil.rmtree(folder / STATE_FOLDER, ignore_errors=True)
        return model

    def predict(self, model: StudyModel, case: LoadedCase) -> StudyPrediction | ExplainedStudy:
        """What the model says of a study, with `evaluation.grad_cam` where it found that. Raises InputError where the
        study cannot be read or has another shape."""
        (study,) = _studies([case.case])
        prediction = predict_study(model, study)
        if not self.settings.evaluation.grad_cam:
            return prediction
        image, lungs = read_study(study.image, study.index)
        maps: dict[str, Volume] = {
            head: case.image.with_array(grad_cam(model, image, lungs, head=head).transpose(2, 1, 0))
            for head in model.settings.network.heads
        }
        return ExplainedStudy(prediction, maps)

    def _parted(self, studies: Sequence[Study]) -> tuple[list[Study], list[Study]]:
        """Those that are trained on, and those that choose the model."""
        share = self.settings.training.validation_share
        inner = held_back_patients(studies, share, self.settings.seed) if share else set()
        training = [study for study in studies if study.patient not in inner]
        return training, [study for study in studies if study.patient in inner]


def predict_study(model: StudyModel, study: Study) -> StudyPrediction:
    """What the model says of a study of a cohort file. Raises InputError where it cannot be read or has another shape
    than those that the model was trained on."""
    with named(study.name):
        outputs = study_outputs(model, *read_study(study.image, study.index))
    return StudyPrediction(outputs.probability, outputs.score, model.threshold)


def _studies(cases: Sequence[Case] | Dataset) -> list[Study]:
    studies = [case for case in cases if isinstance(case, Study)]
    if others := [case.name for case in cases if not isinstance(case, Study)]:
        raise InputError(f"studies of a cohort file are needed (pneumoseg prepare), found the case {others[0]}")
    return studies


def _preparation(studies: Sequence[Study], settings: StudySettings) -> dict:
    """The settings of the preparation, which are those of all studies. Raises InputError for another shape than that of
    `settings`, and for files that were prepared differently."""
    headers = {path: read_header(path) for path in {study.image for study in studies}}
    for path, header in headers.items():
        if header.shape != settings.input.shape:
            raise InputError(
                f"{path}: CTs of {list(settings.input.shape)} voxels (z, y, x) are needed by the settings, found "
                f"{list(header.shape)}; set input.shape to that, or prepare the cohort at the other shape"
            )
    preparations = [header.preparation for header in headers.values()]
    if not preparations:
        raise InputError("studies are needed to learn from, found none")
    if any(preparation != preparations[0] for preparation in preparations):
        raise InputError("cohort files that were prepared with the same settings are needed; prepare them alike")
    return preparations[0]


def _threshold(studies: Sequence[Study], predictions: dict[str, StudyPrediction]) -> float:
    """That of the largest Youden index on the studies of known label; 0.5 without any."""
    known = [
        (study.diseased, probability)
        for study in studies
        if study.diseased is not None and (probability := predictions[study.name].probability) is not None
    ]
    return youden_threshold([diseased for diseased, _ in known], [probability for _, probability in known])


def _training_table(studies: Sequence[Study], predictions: dict[str, StudyPrediction]) -> pd.DataFrame:
    """One row a study: given_label 1, 0 or empty, probability, given_score and score; empty where not known."""
    rows = [
        {
            "case": study.name,
            "given_label": None if study.diseased is None else int(study.diseased),
            "probability": predictions[study.name].probability,
            "given_score": study.score,
            "score": predictions[study.name].score,
        }
        for study in studies
    ]
    return pd.DataFrame(rows).astype({"given_label": "Int64"})
