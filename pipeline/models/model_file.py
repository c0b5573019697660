"""A trained model in one file: network, weights, and the settings that preprocess, label and predict with it.

The file is Keras's own `.keras` zip with one more entry. Code that the file brings along is not run, code that it names
only where that is trusted.
"""

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.content_hash import sha256_of
from pneumoseg.data_io.storage.atomic import write_aside
from pneumoseg.pipeline.models import training_features
from pneumoseg.pipeline.models.model_archive import FEATURES_ENTRY, SETTINGS_ENTRY, UNREADABLE, read_checked
from pneumoseg.pipeline.models.training_features import TrainingFeatures
from pneumoseg.pipeline.settings import plugins
from pneumoseg.pipeline.settings.loading import of_studies, recorded, settings_from
from pneumoseg.pipeline.settings.schema import Settings

if TYPE_CHECKING:
    from pneumoseg.pipeline.runtime.keras_backend import keras


@dataclass(frozen=True, eq=False)
class TrainedModel:
    """A network with its weights, and the settings it was trained with. `sha256`: of the file it was read from.
    `features`: of its training cases; None in older files, and for networks that have none."""

    network: "keras.Model"
    settings: Settings
    sha256: str | None = None
    features: TrainingFeatures | None = None


def save_model(path: str | Path, model: TrainedModel) -> None:
    """Writes the model file, whole or not at all. `path` ends in .keras."""
    with write_aside(path) as aside:
        model.network.save(aside)
        with zipfile.ZipFile(aside, "a") as archive:
            archive.writestr(SETTINGS_ENTRY, recorded(model.settings).model_dump_json(indent=2))
            if model.features is not None:
                archive.writestr(FEATURES_ENTRY, training_features.to_bytes(model.features))


def load_model(path: str | Path, trust_plugins: bool = False) -> TrainedModel:
    """Reads a model file. Raises InputError as `read_settings` does, and where the network cannot be loaded.

    A custom network ("module:function") with layer classes of its own needs that module imported, which is
    done with `trust_plugins` alone.
    """
    path = Path(path)
    settings = read_settings(path, trust_plugins)
    hint, options = _import_network(settings.network.name, trust_plugins) if ":" in settings.network.name else ("", ())
    network = load_network(path, hint=hint, options=options)
    _check_network(path, network, settings)
    return TrainedModel(network, settings, sha256_of(path), read_training_features(path))


def load_network(path: Path, *, hint: str = "", options: tuple[str, ...] = ()) -> "keras.Model":
    """The network in a model file that `model_archive.read_checked` has passed. Raises InputError, which ends in `hint`
    and names `options`, where it cannot be loaded."""
    from pneumoseg.pipeline.networks import layers  # noqa: F401  (registers the layers that model files name)
    from pneumoseg.pipeline.runtime.keras_backend import keras

    try:
        return keras.saving.load_model(path, compile=False, safe_mode=True)
    except (ValueError, TypeError, LookupError, AttributeError, RuntimeError, OSError, zipfile.BadZipFile) as error:
        # After these words Keras says what is wrong, before them it shows the whole configuration.
        reason = " ".join(str(error).rpartition("Exception encountered: ")[2].split())[:300]
        raise InputError(f"{path}: the network cannot be loaded ({reason}){hint}", options=options) from error


def read_training_features(path: str | Path) -> TrainingFeatures | None:
    """The features of the training cases in a model file that `read_settings` has read; None where it holds none.
    Raises InputError where they are damaged."""
    try:
        with zipfile.ZipFile(path) as archive:
            if FEATURES_ENTRY not in archive.namelist():
                return None
            content = archive.read(FEATURES_ENTRY)
    except UNREADABLE as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{path}: {FEATURES_ENTRY} is not readable ({reason}); the file is damaged") from error
    return training_features.from_bytes(content, str(path))


def _check_network(path: Path, network: "keras.Model", settings: Settings) -> None:
    """Raises InputError where the network is not the one that the settings describe."""
    needed = (settings.dimensions, settings.channels, len(settings.labels.names))
    given = (len(network.input_shape) - 2, network.input_shape[-1], network.output_shape[-1])
    if given != needed:
        raise InputError(
            f"{path}: the network's dimensions, channels and classes are {needed[0]}, {needed[1]} and {needed[2]} by "
            f"its settings, found {given[0]}, {given[1]} and {given[2]}; the file is damaged"
        )


def _import_network(name: str, trust_plugins: bool) -> tuple[str, tuple[str, ...]]:
    """Imports the module of "module:function" where it is trusted. Where not, or where it is absent, gives the end of
    an error and its options, no error: a network of Keras's own layers is loaded without that module."""
    if not trust_plugins:
        return f"; trust its plug-ins if you know the code of {name}", ("trust_plugins",)
    try:
        plugins.find(name, {}, "network")
    except InputError as error:
        return f"; {error}", error.options
    return "", ()


def read_settings(path: str | Path, trust_plugins: bool = False) -> Settings:
    """The settings in a model file, without loading the network (and Keras with it).

    Raises InputError as `model_archive.read_checked`. A file whose preprocessing names custom functions
    ("module:function") is refused unless `trust_plugins`: prediction would run them.
    """
    path = Path(path)
    content = read_checked(path, trust_plugins)
    if of_studies(content):
        raise InputError(
            f"{path}: a segmentation model is needed, found a network for whole studies, which gives a label or a score"
        )
    settings = settings_from(content, str(path))
    if settings.preprocessing.steps and not trust_plugins:
        raise InputError(
            f"{path}: predicting would run {', '.join(settings.preprocessing.steps)}; trust its plug-ins if you know "
            "that code",
            options=("trust_plugins",),
        )
    return settings
