"""Ensembles of several runs as one method: in each fold, of the models that they trained on the same cases."""

import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from pneumoseg.data_io.datasets.dataset import Dataset
from pneumoseg.data_io.datasets.loaded_case import LoadedCase
from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.content_hash import sha256_of
from pneumoseg.data_io.storage.atomic import write_json
from pneumoseg.data_io.storage.folders import visible_name
from pneumoseg.data_io.storage.json_files import read_json
from pneumoseg.data_io.volumes.lazy_volume import Scan
from pneumoseg.pipeline.methods.protocol import ConfiguredSegmentation, RankedMask
from pneumoseg.pipeline.models.model_file import TrainedModel, read_settings
from pneumoseg.pipeline.prediction.predictor import Predictor, change_trained, open_predictor
from pneumoseg.pipeline.settings.loading import recorded, settings_yaml
from pneumoseg.pipeline.settings.schema import Settings

MODELS = "models.json"
"""In each fold's folder: the models of its ensemble."""


@dataclass(frozen=True)
class Voting(ConfiguredSegmentation):
    """A method for cross-validation that trains nothing. `runs`: run folders whose folds have the same cases.

    `changes`: settings as `change_trained` takes them; the others are the first run's. `trust_plugins`: run the
    functions that model files name. `threads`: of the networks; None leaves that to their engine.
    """

    runs: tuple[Path, ...]
    changes: tuple[str, ...] = ()
    trust_plugins: bool = False
    threads: int | None = None

    @cached_property
    def settings(self) -> Settings:
        """Those of the first run's first finished fold, changed; read once. Raises InputError where a run has none."""
        return self._settings_of(self.runs[0])

    def _settings_of(self, run: Path) -> Settings:
        models = sorted(run.glob("fold_*/model.keras"))
        if not models:
            raise InputError(f"{run}: no fold has a model (fold_K/model.keras); finish a fold of that run")
        return recorded(change_trained(read_settings(models[0], self.trust_plugins), self.changes, "the settings"))

    @property
    def model_choice(self) -> str:
        """How the model that counts is chosen, in words."""
        names = ", ".join(visible_name(run) for run in self.runs)
        return f"none: in each fold the models of that fold in all runs vote ({names}); for each run see its own report"

    def describe(self) -> str:
        """The first run's settings as YAML, under comments that name the ensemble's runs, and where their settings
        differ from the first run's. Each fold's models.json names the models."""
        names = [visible_name(run) for run in self.runs]
        lines = [f"Models that vote: those of each fold of the runs {', '.join(names)}"]
        for name, run in zip(names[1:], self.runs[1:], strict=True):
            differences = _differences(self.settings, self._settings_of(run))
            lines += [f"{name}:", *(f"  {line}" for line in differences)] if differences else []
        return "".join(f"# {line}\n" for line in lines) + settings_yaml(self.settings)

    def prepare(self, cases: Dataset) -> None:
        """Reads every case once, so that a bad one is reported at once."""
        for case in cases:
            case.read_pair(self.labels)

    def fit(
        self, cases: Dataset, folder: Path, *, resume: bool = False, start_from: TrainedModel | None = None
    ) -> Predictor:
        """The models of the fold that `folder` is named after; writes `folder`/models.json, their files' SHA-256.

        Raises InputError where `folder` holds a record of other models, see `check_unchanged`.
        """
        if start_from is not None:
            raise InputError("the models of an ensemble are trained already; omit the start model")
        fold, record = _fold_of(folder), folder / MODELS
        if record.is_file():
            self._check_record(record)
        else:
            write_json(record, self._models(fold))
        return open_predictor(
            self.runs, [fold], changes=self.changes, trust_plugins=self.trust_plugins, threads=self.threads
        )

    def check_trained(self, folds: Iterable[int]) -> None:
        """Raises InputError where a run has no model of one of the folds."""
        for fold in folds:
            self._model_files(fold)

    def check_unchanged(self, output: Path, *, except_folds: Collection[int] = ()) -> None:
        """Raises InputError where the ensembles in the run folder `output` are of other models than the runs hold now.

        `except_folds`: those that are written again in any case.
        """
        for record in sorted(output.glob(f"fold_[0-9]*/{MODELS}")):
            if _fold_of(record.parent) not in except_folds:
                self._check_record(record)

    def _check_record(self, record: Path) -> None:
        if read_json(record, "the models of an ensemble", dict) != self._models(_fold_of(record.parent)):
            raise InputError(
                f"{record.parent}: its models have been trained again since the ensemble was measured; measure it "
                "again, overwriting this fold alone or all folds",
                options=("overwrite", "folds"),
            )

    def _models(self, fold: int) -> dict[str, str]:
        """SHA-256 of the fold's model in each run, by the run's number (from 1) and name."""
        names = [f"{number} {visible_name(run)}" for number, run in enumerate(self.runs, start=1)]
        return dict(zip(names, map(sha256_of, self._model_files(fold)), strict=True))

    def _model_files(self, fold: int) -> list[Path]:
        files = [run / f"fold_{fold}" / "model.keras" for run in self.runs]
        for file in files:
            if not file.is_file():
                raise InputError(
                    f"{file}: missing; finish that fold of the run, or choose other folds",
                    options=("folds",),
                )
        return files

    def predict(self, model: Predictor, case: LoadedCase) -> RankedMask:
        """Class numbers on the grid of the case's image, with the signals of how far they may be trusted."""
        segmentation = model.segment(model.prepare(Scan.from_volume(case.image)))
        return RankedMask(segmentation.mask, signals=segmentation.signals)


def _fold_of(folder: Path) -> int:
    return int(folder.name.removeprefix("fold_"))


def _differences(first: Settings, other: Settings) -> list[str]:
    """The values of `other` that differ from `first`, one a line; not those that the first run's replace."""
    ours, theirs = (run.model_dump(mode="json", exclude={"prediction", "postprocessing"}) for run in (first, other))
    lines = []
    for group, values in theirs.items():
        if isinstance(values, dict):
            changed = [name for name, value in values.items() if value != ours[group][name]]
            lines += [f"{group}.{name}: {json.dumps(values[name])}" for name in changed]
        elif values != ours[group]:
            lines.append(f"{group}: {values}")
    return lines
