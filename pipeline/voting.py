"""The folds of several runs as one method: in each fold their models, which saw the same cases, vote together."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from data_io.atomic import write_json
from data_io.dataset import Dataset
from data_io.errors import InputError
from data_io.labels import LabelTable
from data_io.volume import Volume
from pipeline.configuration import settings_yaml
from pipeline.model_file import TrainedModel, read_settings
from pipeline.predictor import Predictor, change_trained, open_predictor
from pipeline.settings import Settings


@dataclass(frozen=True)
class Voting:
    """A method for cross-validation that trains nothing. `runs`: run folders whose folds have the same cases.

    `changes`: settings as `change_trained` takes them; the others are the first run's.
    """

    runs: tuple[Path, ...]
    changes: tuple[str, ...] = ()

    @property
    def settings(self) -> Settings:
        """Those of the first run's first fold, changed."""
        return change_trained(read_settings(self.runs[0] / "fold_0" / "model.keras"), self.changes, "--set")

    @property
    def labels(self) -> LabelTable:
        """The classes it tells apart."""
        return self.settings.labels.table

    @property
    def seed(self) -> int:
        """The first run's seed."""
        return self.settings.seed

    @property
    def model_choice(self) -> str:
        """How the model that counts is chosen, in words."""
        names = ", ".join(run.resolve().name for run in self.runs)
        return f"none: in each fold the models of that fold in all runs vote ({names}); for each run see its own report"

    def describe(self) -> str:
        """The first run's settings as YAML, under a comment that says who votes."""
        names = ", ".join(run.resolve().name for run in self.runs)
        return f"# Models that vote: those of each fold of the runs {names}\n{settings_yaml(self.settings)}"

    def prepare(self, cases: Dataset) -> None:
        """Reads every case once, so that a bad one is told at once."""
        for case in cases:
            case.read_pair(len(self.labels))

    def fit(
        self, cases: Dataset, folder: Path, resume: bool = False, start_from: TrainedModel | None = None
    ) -> Predictor:
        """The models of the fold that `folder` is named after; writes `folder`/models.json, their files' SHA-256."""
        if start_from is not None:
            raise InputError("models that vote are trained already; leave the start model away")
        predictor = open_predictor(self.runs, [int(folder.name.removeprefix("fold_"))], self.changes)
        write_json(folder / "models.json", dict(predictor.models))
        return predictor

    def predict(self, model: Predictor, image: Volume) -> Volume:
        """Segments one CT volume (HU) on its own grid."""
        return model(image)


def check_same_splits(runs: Sequence[Path]) -> Path:
    """The splits.json of the first run. Raises InputError where a run has none, or other cases in its folds."""
    texts = []
    for run in runs:
        path = run / "splits.json"
        if not path.is_file():
            raise InputError(f"{run}: no run folder of a cross-validation (no splits.json)")
        texts.append(path.read_text(encoding="utf-8"))
        if texts[-1] != texts[0]:
            raise InputError(
                f"{run} and {runs[0]}: their folds have other cases, so that a model would vote on cases it was "
                "trained on; train with --splits FILE of the other run"
            )
    return runs[0] / "splits.json"
