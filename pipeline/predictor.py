"""A trained model, or the folds of a run together, ready to segment."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from data_io.errors import InputError
from data_io.fingerprint import sha256_of
from data_io.reporting import log
from data_io.scan import Scan
from data_io.volume import Volume
from pipeline import prediction
from pipeline.bundled import model_path
from pipeline.configuration import change_settings
from pipeline.engines import Engine, open_engine
from pipeline.model_file import read_settings
from pipeline.preprocessing import PreparedVolume, Preprocessor
from pipeline.settings import Settings
from pipeline.stopwatch import timed

OWN_SETTINGS = ("prediction.", "postprocessing.")


@dataclass(frozen=True, eq=False)
class Predictor:
    """Networks that vote together, with the settings that all of them share. `models`: SHA-256 of their files, by the
    name of fold or file."""

    engine: Engine
    settings: Settings
    models: Mapping[str, str] = field(default_factory=dict)

    def __call__(self, image: Volume | Scan) -> Volume:
        """Segments a CT (HU): uint8 class numbers on its own grid."""
        return prediction.predict_volume(image, self.engine.network, self.settings)

    def prepare(self, scan: Scan, seconds: dict[str, float] | None = None) -> PreparedVolume:
        """Reads and preprocesses a scan, slab by slab. `seconds` takes the time."""
        with timed({} if seconds is None else seconds, "prepare"):
            return Preprocessor(self.settings.preprocessing).apply(scan)

    def segment(
        self,
        scan: Scan,
        prepared: PreparedVolume,
        sink: prediction.Sink | None = None,
        seconds: dict[str, float] | None = None,
    ) -> Volume:
        """Segments a prepared scan; see `prediction.predict_labels` for `sink` and `seconds`."""
        seconds = {} if seconds is None else seconds
        with timed(seconds, "segment"):
            labels = prediction.predict_labels(prepared, scan.grid, self.engine.network, self.settings, sink, seconds)
        return Volume(labels, scan.grid, scan.source)


def open_predictor(
    path: str | Path,
    folds: Sequence[int] | None = None,
    changes: Sequence[str] = (),
    trust_plugins: bool = False,
    engine: str = "auto",
    precision: str = "auto",
    threads: int | None = None,
) -> Predictor:
    """A predictor from a model file, a folder with model.keras, a run folder (all folds, or `folds`), or the name of a
    bundled model.

    `changes`: settings of the groups prediction and postprocessing, such as "prediction.overlap=0.25".
    Raises InputError where there is no model, where the folds' settings differ, and as `open_engine`.
    """
    files = _model_files(model_path(path), folds)
    every = [read_settings(file, trust_plugins) for file in files]
    settings = every[0]
    for other in every[1:]:
        if (other.preprocessing, other.labels, other.patches.shape) != (
            settings.preprocessing,
            settings.labels,
            settings.patches.shape,
        ):
            raise InputError(f"{path}: the folds differ in preprocessing, labels or patches and cannot vote together")
    for change in changes:
        if not change.strip().startswith(OWN_SETTINGS):
            raise InputError(f"--set {change}: a trained model takes settings of prediction and postprocessing alone")
    settings = change_settings(settings, changes, f"settings of {path}")
    models = {file.parent.name if len(files) > 1 else file.name: sha256_of(file) for file in files}
    return Predictor(open_engine(files, settings, engine, precision, threads), settings, models)


def _model_files(path: Path, folds: Sequence[int] | None) -> list[Path]:
    if path.is_file():
        return [path]
    if (path / "model.keras").is_file():
        return [path / "model.keras"]
    found = {
        int(folder.name.removeprefix("fold_")): folder / "model.keras"
        for folder in path.glob("fold_*")
        if folder.name.removeprefix("fold_").isdigit() and (folder / "model.keras").is_file()
    }
    if not found:
        raise InputError(f"{path}: no model there; give a model.keras, or a run folder with fold_0/model.keras")
    if folds is None:
        _warn_of_absent_folds(path, set(found))
    chosen = sorted(found) if folds is None else list(folds)
    missing = [fold for fold in chosen if fold not in found]
    if missing:
        raise InputError(f"{path}: no model.keras of fold {missing[0]} there; finished folds: {sorted(found)}")
    return [found[fold] for fold in chosen]


def _warn_of_absent_folds(run: Path, found: set[int]) -> None:
    try:
        count = len(json.loads((run / "splits.json").read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return
    if absent := sorted(set(range(count)) - found):
        log.warning("%s: folds %s have no model yet and do not vote", run, ", ".join(map(str, absent)))
