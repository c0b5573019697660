"""A trained model, or the folds of a run together, ready to segment."""

import math
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from pathlib import Path

from pneumoseg.data_io.console import log
from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.content_hash import sha256_of
from pneumoseg.data_io.formats.pictures import is_picture
from pneumoseg.data_io.storage.json_files import read_json
from pneumoseg.data_io.volumes.lazy_volume import Scan
from pneumoseg.data_io.volumes.volume import Volume
from pneumoseg.pipeline.models.bundle_card import CARD, check_members
from pneumoseg.pipeline.models.bundled import PICTURE_MODEL, model_path
from pneumoseg.pipeline.models.model_file import read_settings, read_training_features
from pneumoseg.pipeline.models.training_features import TrainingFeatures
from pneumoseg.pipeline.prediction import sliding_window
from pneumoseg.pipeline.prediction.engines import Engine, EngineName, Precision, convert_ahead, open_engine
from pneumoseg.pipeline.prediction.forward_memory import fitting_batch, require_tile_memory, with_batch
from pneumoseg.pipeline.preprocessing.preprocessor import PreparedVolume, Preprocessor
from pneumoseg.pipeline.runtime import hardware
from pneumoseg.pipeline.sampling import patches
from pneumoseg.pipeline.settings.loading import change_settings, settings_from
from pneumoseg.pipeline.settings.schema import LabelSettings, Settings

CHANGEABLE = ("prediction.", "postprocessing.", "preprocessing.equalise=")
"""What may be set for a trained model: the rest it was trained with."""
HELD_SHARE = 0.1
"""Of the memory that this process may use: a CT up to this size is kept in memory from when it is decoded."""
BYTES_PER_VOXEL = 4
"""At most; what a file's voxels take is known once they are decoded."""


@dataclass(frozen=True, eq=False)
class Member:
    """Networks of an ensemble that see a CT alike: same preprocessing, same patches. `count`: how many they are;
    `batch`: tiles that they compute at a time; `training_features`: of each, where it has them."""

    engine: Engine
    settings: Settings
    count: int = 1
    batch: int = 1
    training_features: tuple[TrainingFeatures | None, ...] = ()


@dataclass(frozen=True, eq=False)
class PreparedScan:
    """A CT and, for each member of an ensemble, its prepared volume. `scan` is in memory where it was small enough."""

    scan: Scan
    volumes: tuple[PreparedVolume, ...]


@dataclass(frozen=True, eq=False)
class Predictor:
    """An ensemble of networks, of equal weight. `models`: SHA-256 of their files, by the name of fold or file.

    All members have the same labels and the first one's settings of prediction and postprocessing.
    """

    members: tuple[Member, ...]
    models: Mapping[str, str] = field(default_factory=dict)

    @property
    def settings(self) -> Settings:
        """The first member's; others may differ from it in preprocessing and patches."""
        return self.members[0].settings

    def __call__(self, image: Volume | Scan) -> Volume:
        """Segments a CT (HU): uint8 class numbers on its own grid."""
        scan = image if isinstance(image, Scan) else Scan.from_volume(image)
        return self.segment(self.prepare(scan)).mask

    def prepare(self, scan: Scan) -> PreparedScan:
        """Reads and preprocesses a scan for each member; it is decoded once.

        For a single member, a scan of more than a tenth of the memory is read slab by slab and not kept. Raises
        InputError as `Preprocessor.apply`.
        """
        for member in self.members:  # refused before the CT is read
            Preprocessor(member.settings.preprocessing).grid(scan.grid)
        if len(self.members) > 1 or _may_be_held(scan):
            scan = scan.held()
        return PreparedScan(
            scan, tuple(Preprocessor(member.settings.preprocessing).apply(scan) for member in self.members)
        )

    def segment(
        self, prepared: PreparedScan, *, sink: sliding_window.Sink | None = None
    ) -> sliding_window.Segmentation:
        """Segments a prepared scan; see `sliding_window.segment` for `sink`. Raises InputError where one tile would
        take too much memory."""
        pairs = list(zip(prepared.volumes, self.members, strict=True))
        for volume, member in pairs:
            require_tile_memory(member.settings, patches.patch_shape(member.settings, volume.shape), "the CT")
        members = [
            sliding_window.PreparedMember(
                volume,
                member.engine.network,
                with_batch(member.settings, member.batch),
                member.count,
                member.training_features,
            )
            for volume, member in pairs
        ]
        return sliding_window.segment(members, prepared.scan, sink=sink)


def _may_be_held(scan: Scan) -> bool:
    return math.prod(scan.stored_grid.shape) * BYTES_PER_VOXEL <= HELD_SHARE * hardware.memory_gb() * 1e9


def open_predictor(
    paths: str | Path | Sequence[str | Path],
    folds: Sequence[int] | None = None,
    *,
    changes: Sequence[str] = (),
    trust_plugins: bool = False,
    engine: EngineName = "auto",
    precision: Precision = "auto",
    threads: int | None = None,
    executor: Executor | None = None,
) -> Predictor:
    """A predictor from model files, folders with model.keras, run folders (all folds, or `folds`), or the names of
    bundled models; all their networks are one ensemble.

    `changes`: settings as `change_trained` takes them, such as "prediction.overlap=0.25". `executor`: converts several
    networks for OpenVINO, once; by default processes on this machine.
    A batch of tiles that would take too much memory is made smaller, with a warning. Raises InputError where there is
    no model, where a bundle is not what its card says, where one tile would take too much memory, where `folds` are
    given for a single model, where the models' labels differ or one cannot predict as the first is set, and as
    `open_engine`.
    """
    files = ensemble_files(paths, folds)
    settings_of = _ensemble_settings(list(files.values()), changes, trust_plugins)
    convert_ahead(list(files.values()), engine, trust_plugins, executor=executor)
    members = []
    for alike in _alike(settings_of):
        settings = settings_of[alike[0]]
        batch = fitting_batch(settings)
        if batch < settings.prediction.batch and settings.patches.shape is not None:
            log.warning(
                "%s: prediction.batch %d would take too much memory; %d is used, with the same result",
                alike[0],
                settings.prediction.batch,
                batch,
            )
        opened = open_engine(
            alike,
            with_batch(settings, batch),
            name=engine,
            precision=precision,
            threads=threads,
            trust_plugins=trust_plugins,
        )
        features = tuple(read_training_features(file) for file in alike)
        members.append(Member(opened, settings, len(alike), batch, features))
    return Predictor(tuple(members), {name: sha256_of(file) for name, file in files.items()})


def ensemble_files(paths: str | Path | Sequence[str | Path], folds: Sequence[int] | None = None) -> dict[str, Path]:
    """The model files of an ensemble by the name of fold or file; `paths` and `folds` as of `open_predictor`, whose
    errors it raises."""
    paths = [paths] if isinstance(paths, str | Path) else list(paths)
    files: dict[str, Path] = {}
    for number, path in enumerate(paths, start=1):
        of_path = _model_files(model_path(path), folds)
        place = "" if len(paths) == 1 else f"{number}/"
        files |= {place + (file.parent.name if len(of_path) > 1 else file.name): file for file in of_path}
    return files


def _ensemble_settings(files: Sequence[Path], changes: Sequence[str], trust_plugins: bool) -> dict[Path, Settings]:
    """The settings of each model file, with `changes` and the first one's prediction and postprocessing."""
    trained = {
        file: change_trained(read_settings(file, trust_plugins), changes, f"settings of {file}") for file in files
    }
    check_same_labels({file: settings.labels for file, settings in trained.items()})
    for file, settings in trained.items():
        require_tile_memory(settings, settings.patches.shape or (1,), str(file))
    first_file, first = next(iter(trained.items()))
    shared = {"prediction": first.prediction, "postprocessing": first.postprocessing}
    return {
        file: settings_from(
            dict(settings) | shared,
            f"{file}, which votes with the prediction settings of {first_file} (changed settings are those of all)",
        )
        for file, settings in trained.items()
    }


def _alike(settings_of: Mapping[Path, Settings]) -> list[list[Path]]:
    """The model files in groups of the same preprocessing and patches."""
    groups: dict[tuple, list[Path]] = {}
    for file, settings in settings_of.items():
        # Where a tile is the full image, its size depends on the network.
        tile = (settings.patches.shape or settings.divisor, settings.patches.axis, settings.patches.neighbours)
        groups.setdefault((settings.preprocessing, tile), []).append(file)
    return list(groups.values())


def check_same_labels(labels: Mapping[Path, LabelSettings]) -> None:
    """Raises InputError where models, by their files, tell other classes apart or mirror them otherwise; colours may
    differ."""
    first_file, first = next(iter(labels.items()))
    for file, settings in labels.items():
        for name in ("names", "mirror_pairs"):
            value, needed = getattr(settings, name), getattr(first, name)
            if value != needed:
                raise InputError(
                    f"{file}: models of one ensemble need the same labels, found {name} {value}, and {needed} in "
                    f"{first_file}; use them apart"
                )


def require_same_kind(path: str | Path, settings: Settings) -> None:
    """Raises InputError for a picture where the model segments volumes. A stack of slices may hold values of 0..255 as
    pictures do: volumes in HU are refused by a model for pictures when they are read, by `Preprocessor.apply`."""
    if is_picture(path) and settings.dimensions == 3:
        raise InputError(
            f"{path}: a picture, but the model segments CT volumes; use a model for pictures, such as {PICTURE_MODEL}",
            options=("model",),
        )


def change_trained(settings: Settings, changes: Sequence[str], source: str) -> Settings:
    """A trained model's settings with `changes`. Raises InputError for other settings than the `CHANGEABLE`, and as
    `change_settings`."""
    for change in changes:
        if not change.strip().startswith(CHANGEABLE):
            raise InputError(
                f"{change}: a trained model takes preprocessing.equalise and settings of prediction and "
                "postprocessing alone",
                options=("changes",),
            )
    return change_settings(settings, changes, source)


def _model_files(path: Path, folds: Sequence[int] | None) -> list[Path]:
    single = path if path.is_file() else path / "model.keras"
    if single.is_file():
        if folds is not None:
            message = f"{path}: only a run folder has folds to choose from, found a single model; choose no fold"
            raise InputError(message, options=("folds",))
        return [single]
    if (path / CARD).is_file():
        check_members(path)
    models = {
        int(folder.name.removeprefix("fold_")): folder / "model.keras"
        for folder in path.glob("fold_*")
        if folder.name.removeprefix("fold_").isdigit() and (folder / "model.keras").is_file()
    }
    if not models:
        raise InputError(f"{path}: no model there; give a model.keras, or a run folder with fold_0/model.keras")
    if folds is None:
        _warn_of_absent_folds(path, set(models))
    folds = sorted(models) if folds is None else folds
    missing = [fold for fold in folds if fold not in models]
    if missing:
        raise InputError(f"{path}: no model.keras of fold {missing[0]} there; finished folds: {sorted(models)}")
    return [models[fold] for fold in folds]


def _warn_of_absent_folds(run: Path, present: set[int]) -> None:
    if not (run / "splits.json").is_file():
        return
    count = len(read_json(run / "splits.json", "a file of splits", list))
    if absent := sorted(set(range(count)) - present):
        log.warning("%s: folds %s have no model yet and are not in the ensemble", run, ", ".join(map(str, absent)))
