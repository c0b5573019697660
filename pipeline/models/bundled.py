"""Trained models that come with the program, found by name in a clone and in an installed wheel alike."""

from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path

from pneumoseg.data_io.errors import InputError

DEFAULT_MODEL = "covid-lungs"
PICTURE_MODEL = "covid-picture"


def default_model(inputs: Iterable[str | Path]) -> str:
    """The bundled model for these files. Raises InputError for CTs and pictures together."""
    from pneumoseg.data_io.formats.pictures import is_picture  # slow to import; `predict --help` needs the names alone

    kinds = {is_picture(path) for path in inputs}
    if len(kinds) > 1:
        raise InputError("CTs and pictures need different models; predict them in separate calls")
    return PICTURE_MODEL if True in kinds else DEFAULT_MODEL


def bundled_models() -> dict[str, Path]:
    """The folder of each model by its name; each holds model.keras, or fold_0/model.keras and so on."""
    root = Path(str(files("pneumoseg"))) / "data" / "models"
    folders = [path.parent for path in root.glob("*/model.keras")]
    folders += [path.parent.parent for path in root.glob("*/fold_*/model.keras")]
    return {folder.name: folder for folder in sorted(set(folders))}


def model_path(name: str | Path) -> Path:
    """Where a model lies: the path itself where there is something, or the folder of the bundled model of that name.

    Raises InputError where there is neither.
    """
    return Path(name) if Path(name).exists() else bundled_model(str(name))


def bundled_model(name: str = DEFAULT_MODEL) -> Path:
    """The folder of the bundled model of that name, also where a file has it. Raises InputError where there is none."""
    bundled = bundled_models()
    if name in bundled:
        return bundled[name]
    known = ", ".join(bundled) or "none"
    raise InputError(f"{name}: no model there: neither a file or folder nor one that comes with the program ({known})")
