"""The models that jobs may ask for, by name: those that come with the program, and those that a server was given."""

from collections.abc import Sequence
from pathlib import Path

from pneumoseg.data_io.errors import InputError
from pneumoseg.evaluation.jobs.model_entry import InputKind, ModelEntry, model_files
from pneumoseg.pipeline.models.bundle_card import TRUST
from pneumoseg.pipeline.models.bundled import DEFAULT_MODEL, PICTURE_MODEL, bundled_models
from pneumoseg.pipeline.models.model_file import read_settings

GIVEN = {"ct": DEFAULT_MODEL, "picture": PICTURE_MODEL}
"""The bundled model of each kind that comes first."""


def known_models(folders: Sequence[str | Path] = ()) -> dict[str, ModelEntry]:
    """The models in `folders`, runs or bundles or model files, then the bundled ones, by name; networks are not loaded.

    Raises InputError where there is no model, and where two have one name.
    """
    entries: dict[str, ModelEntry] = {}
    bundled = bundled_models()
    first = [bundled[name] for name in GIVEN.values() if name in bundled]
    for path in [*map(Path, folders), *first, *(path for path in bundled.values() if path not in first)]:
        name = path.resolve().name if path.is_dir() else path.resolve().parent.name
        if name in entries:
            raise InputError(f"{path}: another model is called {name} already; rename the folder of one of them")
        entries[name] = _entry(name, path)
    return entries


def _entry(name: str, path: Path) -> ModelEntry:
    settings = read_settings(model_files(path)[0])
    labels = settings.labels.table
    kind: InputKind = "picture" if settings.preprocessing.values == "picture" else "ct"
    calibrated = ((path if path.is_dir() else path.parent) / TRUST).is_file()
    return ModelEntry(name, kind, labels.names, labels.colours, calibrated, path)
