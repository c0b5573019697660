"""The method under test: fit on these cases, predict those."""

import shutil
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from pneumoseg.data_io.console import listed, log, track
from pneumoseg.data_io.datasets.dataset import Case, Dataset
from pneumoseg.data_io.datasets.loaded_case import LoadedCase
from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.probability_levels import probability_levels
from pneumoseg.data_io.storage.atomic import write_text
from pneumoseg.data_io.storage.cache import cache_folder
from pneumoseg.data_io.volumes.volume import Volume
from pneumoseg.pipeline.methods.protocol import ConfiguredSegmentation, RankedMask
from pneumoseg.pipeline.models.model_file import TrainedModel, load_model, save_model
from pneumoseg.pipeline.networks.registry import NETWORKS
from pneumoseg.pipeline.networks.summary import readable_summary, summarise
from pneumoseg.pipeline.prediction import sliding_window
from pneumoseg.pipeline.prediction.bottleneck import training_features
from pneumoseg.pipeline.prediction.engines import keras_network
from pneumoseg.pipeline.prediction.forward_memory import with_fitting_batch
from pneumoseg.pipeline.preprocessing.case_store import CaseStore, StoredCase
from pneumoseg.pipeline.preprocessing.dataset_statistics import with_statistics
from pneumoseg.pipeline.preprocessing.intensity import warnings_of_unusual_ct
from pneumoseg.pipeline.preprocessing.preprocessor import Preprocessor
from pneumoseg.pipeline.runtime import hardware
from pneumoseg.pipeline.sampling import calibration
from pneumoseg.pipeline.sampling.custom_transforms import make_transform
from pneumoseg.pipeline.settings import plugins
from pneumoseg.pipeline.settings.loading import settings_yaml
from pneumoseg.pipeline.settings.schema import Settings
from pneumoseg.pipeline.training import cost, loop, losses
from pneumoseg.pipeline.training.metrics import make_metric

NETWORK_FILE = "network.txt"


@dataclass(frozen=True)
class Segmenter(ConfiguredSegmentation):
    """Patch-wise segmentation as the settings describe it. `store`: where prepared cases lie. `executor`: makes the
    training batches, by default processes on this machine. A pickled copy has no executor, which may hold threads or
    processes of its own: in another process it makes its batches in the default way."""

    settings: Settings
    store: Path = field(default_factory=cache_folder)
    executor: Executor | None = None

    def __getstate__(self) -> dict[str, object]:
        return vars(self) | {"executor": None}

    @property
    def model_choice(self) -> str:
        """How the model that counts is chosen, in words."""
        return self.settings.model_choice

    def describe(self) -> str:
        """All settings as YAML."""
        return settings_yaml(self.settings)

    def fit(
        self, cases: Dataset, folder: str | Path, *, resume: bool = False, start_from: TrainedModel | None = None
    ) -> TrainedModel:
        """Trains on `cases` and writes `folder`/model.keras, history.csv, tensorboard/, network.txt (its layers) and
        calibration.npz, tiles for an 8-bit network.

        With `resume`, a finished model is read and an interrupted training goes on at its last whole epoch.
        """
        folder = Path(folder)
        path = folder / "model.keras"
        if resume and path.is_file():
            shutil.rmtree(folder / loop.STATE_FOLDER, ignore_errors=True)
            return load_model(path, trust_plugins=True)
        shutil.rmtree(folder / "predictions", ignore_errors=True)  # an earlier model's, which would be kept
        stored = self._stored(cases)
        inner = self._validation_names(cases)
        training = [case for case in stored if case.name not in inner]
        settings = with_statistics(self.settings, training)
        trained = loop.train(
            training,
            settings,
            folder,
            validation=[case for case in stored if case.name in inner],
            resume=resume,
            start_from=start_from,
            executor=self.executor,
        )
        calibration.save_tiles(folder / calibration.FILE_NAME, calibration.draw_tiles(stored, settings))
        write_text(folder / NETWORK_FILE, readable_summary(summarise(trained.network, settings)))
        trained = replace(trained, features=training_features(trained.network, training, settings))
        save_model(path, trained)
        shutil.rmtree(folder / loop.STATE_FOLDER, ignore_errors=True)
        return trained

    def predict(self, model: TrainedModel, case: LoadedCase) -> RankedMask:
        """Class numbers on the grid of the case's image, with the signals of how far they may be trusted; with
        `evaluation.auc` also the levels of the probabilities."""
        return (predict_ranked if self.settings.evaluation.auc else predict)(model, case.image)

    def prepare(self, cases: Sequence[Case] | Dataset) -> list[StoredCase]:
        """The cases preprocessed and memory-mapped, with their warnings logged once; quick the second time.

        Raises InputError for a bad case, for settings whose training would take too much memory, and for a network,
        loss, metric or step that does not exist.
        """
        check_names(self.settings)
        cost.require_settings_memory(self.settings, hardware.training_memory_gb())
        stored = self._stored(cases)
        warned: dict[str, list[str]] = {}
        for case in stored:
            for warning in (*case.facts["warnings"], *self._unusual(case)):
                warned.setdefault(warning, []).append(case.name)
        for warning, names in warned.items():
            log.warning("case%s %s: %s", "s" if len(names) > 1 else "", listed(names), warning)
        return stored

    def _unusual(self, case: StoredCase) -> list[str]:
        facts = case.facts
        return warnings_of_unusual_ct(
            facts["windowed"], facts["extremes"], slices=facts["slices"], settings=self.settings
        )

    def _stored(self, cases: Sequence[Case] | Dataset) -> list[StoredCase]:
        return [self._stored_case(case) for case in track(list(cases), "Preprocessing", len(cases))]

    def _stored_case(self, case: Case) -> StoredCase:
        """The prepared case with the weight of its source, and its equalised slices where patches are drawn of them."""
        how, table, augmentation = self.settings.preprocessing, self.settings.labels.table, self.settings.augmentation
        stored = CaseStore(self.store, Preprocessor(how), table).get(case)
        weight = dict(self.settings.data.source_weights).get(case.source, 1.0)
        equalised = None
        if augmentation.enabled and augmentation.equalise and not stored.facts["windowed"]:
            variant = Preprocessor(how.model_copy(update={"equalise": "hu"}))
            equalised = CaseStore(self.store, variant, table).get(case)
        return replace(stored, weight=weight, equalised=equalised)

    def _validation_names(self, cases: Dataset) -> set[str]:
        """The inner share that chooses the model: whole patients, drawn from the seed."""
        if self.settings.training.monitor != "validation":
            return set()
        patients = sorted({case.patient for case in cases})
        if len(patients) < 2:
            raise InputError(
                f"training.monitor validation needs cases of two patients or more, found {len(patients)}; "
                "set training.monitor to training or none"
            )
        count = min(len(patients) - 1, max(1, round(len(patients) * self.settings.training.validation_share)))
        held_back = set(np.random.default_rng(self.settings.seed).permutation(patients)[:count])
        return {case.name for case in cases if case.patient in held_back}


def check_names(settings: Settings) -> None:
    """Raises InputError where the settings name a network, loss, metric, step or transform that does not exist."""
    plugins.find(settings.network.name, NETWORKS, "network")
    losses.make_loss(settings.loss, len(settings.labels.names))
    for name in settings.training.metrics:
        make_metric(name)
    for name in settings.preprocessing.steps:
        plugins.find(name, {}, "preprocessing step")
    for name in settings.augmentation.transforms:
        make_transform(name)


def predict(model: TrainedModel, image: Volume) -> RankedMask:
    """Segments one CT volume (HU) on its own grid with a trained model, with the signals of how far its mask may be
    trusted."""
    segmentation = _segmentation(model, image)
    return RankedMask(segmentation.mask, signals=segmentation.signals)


def predict_ranked(model: TrainedModel, image: Volume) -> RankedMask:
    """As `predict`, with the levels of the probabilities, before the mask is postprocessed."""
    # The order of the planes as they come: of the axes the last one first.
    levels = np.empty((*image.grid.shape, len(model.settings.labels.names)), np.uint16, order="F")

    def keep(start: int, planes: np.ndarray) -> None:
        levels[:, :, start : start + planes.shape[1]] = probability_levels(planes).transpose(3, 2, 1, 0)

    segmentation = _segmentation(model, image, sink=keep)
    return RankedMask(segmentation.mask, levels, segmentation.signals)


def _segmentation(
    model: TrainedModel, image: Volume, *, sink: sliding_window.Sink | None = None
) -> sliding_window.Segmentation:
    network, settings = keras_network(model.network), with_fitting_batch(model.settings)
    return sliding_window.segment_volume(image, network, settings, features=model.features, sink=sink)
