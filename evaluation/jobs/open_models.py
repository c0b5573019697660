"""Models that stay open from one job to the next."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pneumoseg.data_io.errors import InputError
from pneumoseg.evaluation.jobs.model_entry import InputKind, ModelEntry, chosen_model, model_files

if TYPE_CHECKING:
    from pneumoseg.evaluation.measures.trust import Calibration
    from pneumoseg.pipeline.prediction.predictor import Predictor

Stamp = tuple[tuple[str, int, int], ...]


@dataclass(frozen=True, eq=False)
class OpenModel:
    """A model that is ready, and the calibration of its verdicts, or in words why there is none."""

    name: str
    predictor: "Predictor"
    calibration: "Calibration | str"


class OpenModels:
    """The last model of each kind of input stays open; it is opened again where its files have changed."""

    def __init__(self, entries: Mapping[str, ModelEntry], open_model: Callable[[ModelEntry], OpenModel]) -> None:
        """`entries`: those that may be asked for; `open_model`: makes one ready."""
        self._entries, self._open = entries, open_model
        self._kept: dict[InputKind, tuple[tuple[str, Stamp], OpenModel]] = {}

    def entry(self, name: str | None) -> ModelEntry | None:
        """The model of that name as it may be asked for; None where there is none."""
        return None if name is None else self._entries.get(name)

    def get(self, name: str | None, kind: InputKind) -> OpenModel:
        """The model of that name, or the first of its kind. Raises InputError as `chosen_model`, and where it was
        removed."""
        entry = chosen_model(self._entries, name, kind)
        try:
            key = entry.name, _stamp(model_files(entry.path))
        except (InputError, FileNotFoundError) as error:
            self._kept.pop(kind, None)
            raise InputError(f"the model {entry.name} was removed from the server; choose another one") from error
        kept = self._kept.get(kind)
        if kept is None or kept[0] != key:
            self._kept.pop(kind, None)  # makes room before the next one is opened
            kept = self._kept[kind] = key, self._open(entry)
        return kept[1]


def open_model(entry: ModelEntry, *, threads: int | None = None) -> OpenModel:
    """Makes a model ready. Raises InputError as `open_predictor` and `calibration_of`."""
    from pneumoseg.evaluation.inference.calibration import calibration_of
    from pneumoseg.pipeline.prediction.predictor import open_predictor

    return OpenModel(entry.name, open_predictor(entry.path, threads=threads), calibration_of([entry.path]))


def _stamp(files: list[Path]) -> Stamp:
    """Changes when the content of the files does."""
    states = [(f"{file}", file.stat()) for file in files]
    return tuple((name, state.st_size, state.st_mtime_ns) for name, state in states)
