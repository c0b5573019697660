"""What an experiment needs of a method: it is fitted to some cases and predicts others."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np

from pneumoseg.data_io.datasets.dataset import Dataset
from pneumoseg.data_io.datasets.loaded_case import LoadedCase
from pneumoseg.data_io.volumes.labels import LabelTable
from pneumoseg.data_io.volumes.volume import Volume
from pneumoseg.pipeline.models.model_file import TrainedModel
from pneumoseg.pipeline.prediction.signals import Signals
from pneumoseg.pipeline.settings.schema import Settings


@dataclass(frozen=True, eq=False)
class RankedMask:
    """A mask with what is known beside it. `levels`, for its AUC: of the probabilities of each class, uint16 (x, y, z,
    classes), on the mask's grid; see `formats.probability_levels`. `signals`: of how far it may be trusted. A method
    that predicts masks may give these or the masks alone."""

    mask: Volume
    levels: np.ndarray | None = None
    signals: Signals | None = None


class Method(Protocol):
    """A method under test: `methods.segmenter.Segmenter` is one.

    What it predicts, a mask, a number or anything else, is for the task of the experiment to write, read and score. A
    method that predicts masks also has `labels`, the LabelTable of its classes, and may have `tolerances_mm` of the
    surface Dice by class, and `positive_ml`, the volume from which on a case has lesions. Any method may be a
    `ChecksTraining` as well.
    """

    @property
    def seed(self) -> int:
        """The seed it was given, for the record."""

    @property
    def model_choice(self) -> str:
        """How it chooses the model that counts, in words: what was looked at, and that it was no test case."""

    def describe(self) -> str:
        """Its settings as YAML text."""

    def prepare(self, cases: Dataset) -> Any:
        """Reads and checks every case, so that a bad one is reported before hours of training."""

    def fit(self, cases: Dataset, folder: Path, *, resume: bool = False, start_from: TrainedModel | None = None) -> Any:
        """Trains on `cases`, keeps its files in `folder` and returns a model.

        With `resume` a finished model may be read again; a method that fits another one removes `folder`/predictions,
        which are those of the earlier model.
        """

    def predict(self, model: Any, case: LoadedCase) -> Any:
        """The prediction for one case. Its reference must not be looked at."""


@runtime_checkable
class ChecksTraining(Protocol):
    """A method that can tell beforehand whether it can be fitted to some cases."""

    def check_training(self, cases: Dataset) -> None:
        """Raises InputError where `fit` would refuse the cases, before any fold is trained."""


class ConfiguredSegmentation:
    """What methods that predict masks have from their `settings`."""

    if TYPE_CHECKING:  # a field or a property of the method

        @property
        def settings(self) -> Settings:
            """The settings of the method."""

    @property
    def labels(self) -> LabelTable:
        """The classes it segments."""
        return self.settings.labels.table

    @property
    def tolerances_mm(self) -> dict[str, float]:
        """Of the surface Dice, by class."""
        return dict(self.settings.evaluation.tolerances_mm)

    @property
    def positive_ml(self) -> float:
        """Volume of lesions in the reference from which on a case has them."""
        return self.settings.evaluation.positive_ml

    @property
    def seed(self) -> int:
        """The seed of splits, patches and initial weights."""
        return self.settings.seed
