"""A trained model, or the folds of a run together, ready to segment."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pneumoseg.data_io.console import log
from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.content_hash import sha256_of
from pneumoseg.data_io.storage.json_files import read_json
from pneumoseg.data_io.volumes.lazy_volume import Scan
from pneumoseg.data_io.volumes.volume import Volume
from pneumoseg.pipeline.models.bundle_card import CARD, check_members
from pneumoseg.pipeline.models.bundled import model_path
from pneumoseg.pipeline.models.model_file import read_settings
from pneumoseg.pipeline.prediction import sliding_window
from pneumoseg.pipeline.prediction.engines import Engine, convert_ahead, open_engine
from pneumoseg.pipeline.prediction.forward_memory import fitting_batch, require_tile_memory, with_fitting_batch
from pneumoseg.pipeline.preprocessing.preprocessor import PreparedVolume, Preprocessor
from pneumoseg.pipeline.runtime.timing import timed
from pneumoseg.pipeline.sampling import patches
from pneumoseg.pipeline.settings.loading import change_settings, settings_from
from pneumoseg.pipeline.settings.schema import LabelSettings, Settings

CHANGEABLE = ("prediction.", "postprocessing.", "preprocessing.equalise=")
"""What may be set for a trained model: the rest it was trained with."""


@dataclass(frozen=True, eq=False)
class Member:
    """Networks that see a CT alike: same preprocessing, same patches. `count`: how many they are."""

    engine: Engine
    settings: Settings
    count: int = 1


@dataclass(frozen=True, eq=False)
class Predictor:
    """Networks that vote together, each as the other. `models`: SHA-256 of their files, by the name of fold or file.

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
        return self.segment(scan, self.prepare(scan))

    def prepare(self, scan: Scan, seconds: dict[str, float] | None = None) -> tuple[PreparedVolume, ...]:
        """Reads and preprocesses a scan for each member; `seconds` takes the time.

        For one member it is read slab by slab; for several the whole CT is in memory, so that it is decoded once.
        """
        with timed({} if seconds is None else seconds, "prepare"):
            for member in self.members:  # refused before the CT is read
                Preprocessor(member.settings.preprocessing).grid(scan.grid)
            if len(self.members) > 1:
                scan = Scan.from_volume(scan.read())
            return tuple(Preprocessor(member.settings.preprocessing).apply(scan) for member in self.members)

    def segment(
        self,
        scan: Scan,
        prepared: Sequence[PreparedVolume],
        *,
        sink: sliding_window.Sink | None = None,
        seconds: dict[str, float] | None = None,
    ) -> Volume:
        """Segments a prepared scan; see `sliding_window.predict_labels` for `sink` and `seconds`."""
        seconds = {} if seconds is None else seconds
        for own, member in zip(prepared, self.members, strict=True):
            shape = patches.patch_shape(member.settings, own.image.shape)
            require_tile_memory(member.settings, shape, "the CT")
        voters = [
            sliding_window.Voter(own, member.engine.network, with_fitting_batch(member.settings), member.count)
            for own, member in zip(prepared, self.members, strict=True)
        ]
        with timed(seconds, "segment"):
            labels = sliding_window.predict_labels(voters, scan.grid, sink=sink, seconds=seconds)
        return Volume(labels, scan.grid, scan.source)


def open_predictor(
    paths: str | Path | Sequence[str | Path],
    folds: Sequence[int] | None = None,
    *,
    changes: Sequence[str] = (),
    trust_plugins: bool = False,
    engine: str = "auto",
    precision: str = "auto",
    threads: int | None = None,
) -> Predictor:
    """A predictor from model files, folders with model.keras, run folders (all folds, or `folds`), or the names of
    bundled models; all networks found vote together.

    `changes`: settings as `change_trained` takes them, such as "prediction.overlap=0.25".
    A batch of tiles that would take too much memory is made smaller, with a warning. Raises InputError where there is
    no model, where a bundle is not what its card says, where one tile would take too much memory, where `folds` are
    wanted of a single model, where the models' labels differ or one cannot predict as the first is set, and as
    `open_engine`.
    """
    paths = [paths] if isinstance(paths, str | Path) else list(paths)
    files: dict[str, Path] = {}
    for number, path in enumerate(paths, start=1):
        found = _model_files(model_path(path), folds)
        place = "" if len(paths) == 1 else f"{number}/"
        files |= {place + (file.parent.name if len(found) > 1 else file.name): file for file in found}
    every = {
        file: change_trained(read_settings(file, trust_plugins), changes, f"settings of {file}")
        for file in files.values()
    }
    check_same_labels({file: own.labels for file, own in every.items()})
    for file, own in every.items():
        require_tile_memory(own, own.patches.shape or (1,), str(file))
    first_file, first = next(iter(every.items()))
    shared = {"prediction": first.prediction, "postprocessing": first.postprocessing}
    voting: dict[Path, Settings] = {}
    alike: dict[tuple, list[Path]] = {}
    for file, own in every.items():
        origin = f"{file}, which votes with the prediction settings of {first_file} (changed settings are those of all)"
        voting[file] = settings_from(dict(own) | shared, origin)
        # Where a tile is the full image, its size depends on the network.
        alike.setdefault((own.preprocessing, own.patches.shape or own.divisor), []).append(file)
    convert_ahead(list(files.values()), engine, trust_plugins)
    members = []
    for together in alike.values():
        settings = voting[together[0]]
        if (batch := fitting_batch(settings)) < settings.prediction.batch and settings.patches.shape is not None:
            log.warning(
                "%s: prediction.batch %d would take too much memory; %d is used, with the same result",
                together[0],
                settings.prediction.batch,
                batch,
            )
        opened = open_engine(
            together,
            with_fitting_batch(settings),
            name=engine,
            precision=precision,
            threads=threads,
            trust_plugins=trust_plugins,
        )
        members.append(Member(opened, settings, len(together)))
    return Predictor(tuple(members), {name: sha256_of(file) for name, file in files.items()})


def check_same_labels(labels: Mapping[Path, LabelSettings]) -> None:
    """Raises InputError where models, by their files, tell other classes apart or mirror them otherwise; colours may
    differ."""
    first_file, first = next(iter(labels.items()))
    for file, own in labels.items():
        for what in ("names", "mirror_pairs"):
            found, needed = getattr(own, what), getattr(first, what)
            if found != needed:
                raise InputError(
                    f"{file}: models that vote together need the same labels, found {what} {found}, and {needed} in "
                    f"{first_file}; use them apart"
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
            raise InputError(message, options=("fold",))
        return [single]
    if (path / CARD).is_file():
        check_members(path)
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
    if not (run / "splits.json").is_file():
        return
    count = len(read_json(run / "splits.json", "a file of splits", list))
    if absent := sorted(set(range(count)) - found):
        log.warning("%s: folds %s have no model yet and do not vote", run, ", ".join(map(str, absent)))
