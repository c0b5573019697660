"""A trained network for whole studies in one file: network, weights, settings, the threshold of its label, and how the
CTs that it was trained on were prepared.

The file is Keras's own `.keras` zip with one more entry, as that of a segmentation model.
"""

import json
import math
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.content_hash import sha256_of
from pneumoseg.data_io.storage.atomic import write_aside
from pneumoseg.pipeline.models.model_archive import SETTINGS_ENTRY, read_checked
from pneumoseg.pipeline.models.model_file import load_network
from pneumoseg.pipeline.settings.loading import of_studies, recorded, study_settings_from
from pneumoseg.pipeline.settings.studies import StudySettings

if TYPE_CHECKING:
    from pneumoseg.pipeline.runtime.keras_backend import keras


@dataclass(frozen=True, eq=False)
class StudyModel:
    """A network with its weights, and the settings it was trained with. `preparation`: the settings by which the CTs of
    its cohort file were prepared, as that file has them. `threshold`: the probability from which on a study counts as
    diseased. `sha256`: of the file it was read from."""

    network: "keras.Model"
    settings: StudySettings
    preparation: Mapping[str, object]
    threshold: float = 0.5
    sha256: str | None = None


def save_study_model(path: str | Path, model: StudyModel) -> None:
    """Writes the model file, whole or not at all. `path` ends in .keras."""
    content = {
        "kind": model.settings.kind,
        "settings": recorded(model.settings).model_dump(mode="json"),
        "preparation": dict(model.preparation),
        "threshold": model.threshold,
    }
    with write_aside(path) as aside:
        model.network.save(aside)
        with zipfile.ZipFile(aside, "a") as archive:
            archive.writestr(SETTINGS_ENTRY, json.dumps(content, indent=2, allow_nan=False))


def load_study_model(path: str | Path) -> StudyModel:
    """Reads a model file. Raises InputError where it is missing, damaged or larger than it looks, for a segmentation
    model, and where the network is not the one that its settings describe."""
    path = Path(path)
    content = read_checked(path)
    if not of_studies(content):
        raise InputError(f"{path}: a network for whole studies is needed, found a segmentation model")
    settings, preparation, threshold = (content.get(name) for name in ("settings", "preparation", "threshold"))
    if not isinstance(settings, dict) or not isinstance(preparation, dict):
        raise InputError(f"{path}: settings and preparation are needed in {SETTINGS_ENTRY}; the file is damaged")
    if isinstance(threshold, bool) or not isinstance(threshold, int | float) or not 0 <= threshold <= 1:
        shown = str(threshold)[:40]
        raise InputError(f"{path}: the threshold is a number of 0..1, found {shown}; the file is damaged")
    checked = study_settings_from(settings, str(path))
    network = load_network(path)
    _check_network(path, network, checked)
    return StudyModel(network, checked, preparation, float(threshold), sha256_of(path))


def holds_study_model(path: str | Path) -> bool:
    """Whether a model file holds a network for whole studies, not a segmentation model. Raises InputError where it is
    no model file."""
    return of_studies(read_checked(Path(path)))


def _check_network(path: Path, network: "keras.Model", settings: StudySettings) -> None:
    """Raises InputError where input or outputs of the network are not those that the settings describe."""
    needed = ((*settings.input.shape[::-1], settings.input.channels), {head: 1 for head in settings.network.heads})
    outputs = network.output
    of_heads = outputs.items() if isinstance(outputs, dict) else ()
    given_heads = {name: math.prod(tensor.shape[1:]) for name, tensor in of_heads}
    given = (tuple(network.input_shape[1:]), given_heads)
    if given != needed:
        raise InputError(
            f"{path}: input and outputs of the network are {needed[0]} and {', '.join(needed[1])} by its settings, "
            f"found {given[0]} and {', '.join(given[1]) or 'others'}; the file is damaged"
        )
