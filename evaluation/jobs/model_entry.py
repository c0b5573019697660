"""A model as jobs and their server speak of it; quick to import."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pneumoseg.data_io.errors import InputError, nearest

InputKind = Literal["ct", "picture"]


@dataclass(frozen=True)
class ModelEntry:
    """A model: `name` for requests, the `kind` of its inputs, its `classes` and their `colours` (RGB, 0..255),
    whether its verdicts are `calibrated`, and where it lies."""

    name: str
    kind: InputKind
    classes: tuple[str, ...]
    colours: tuple[tuple[int, int, int], ...]
    calibrated: bool
    path: Path

    def public_dict(self) -> dict[str, Any]:
        """What others may know of it, for JSON; not where it lies."""
        return {
            "name": self.name,
            "kind": self.kind,
            "classes": list(self.classes),
            "colours": [list(colour) for colour in self.colours],
            "calibrated": self.calibrated,
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> "ModelEntry":
        """From the fields as JSON holds them."""
        colours = tuple((int(red), int(green), int(blue)) for red, green, blue in content["colours"])
        known = {name: content[name] for name in ("name", "kind", "calibrated")}
        return cls(classes=tuple(content["classes"]), colours=colours, path=Path(content["path"]), **known)


def chosen_model(models: Mapping[str, ModelEntry], name: str | None, kind: InputKind | None = None) -> ModelEntry:
    """The model of that name or, without one, the first of its kind. Raises InputError where there is none, and where
    it is of another kind."""
    if name is None:
        fitting = [entry for entry in models.values() if entry.kind == kind]
        if not fitting:
            raise InputError(f"no model for inputs of kind {kind}; start the server with one")
        return fitting[0]
    if name not in models:
        raise InputError(f"no model is called {name[:80]!r}{nearest(name, list(models))}")
    entry = models[name]
    if kind is not None and entry.kind != kind:
        words = {"ct": "CTs", "picture": "pictures"}
        raise InputError(f"the model {name} is for {words[entry.kind]}, not for {words[kind]}; choose another one")
    return entry


def model_files(path: Path) -> list[Path]:
    """The files of the networks of a model. Raises InputError where there are none, as when it was removed."""
    single = path if path.is_file() else path / "model.keras"
    files = [single] if single.is_file() else sorted(path.glob("fold_*/model.keras"))
    if not files:
        raise InputError(f"{path}: no model there; give a run folder, a bundle or a model.keras")
    return files
