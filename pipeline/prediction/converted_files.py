"""Where the networks lie that were converted for OpenVINO, and whether they are whole.

A converted network lies beside the model file, or in the user's cache folder where that cannot be written, in a folder
whose name is made of the model file's content, so that another model never finds it.
"""

import functools
import json
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.content_hash import sha256_of
from pneumoseg.data_io.storage.atomic import folder_aside
from pneumoseg.data_io.storage.cache import cache_folder
from pneumoseg.data_io.storage.json_files import read_json

FORMAT = 2
NETWORK = "network.xml"
WEIGHTS = "network.bin"
HASHES = "hashes.json"
LOCK = ".openvino.lock"
INT8 = "-int8"
"""The end of the name of a folder with an 8-bit network."""
TIMES = "-times.json"
"""The end of the name of the file with measured times."""


def places(model: Path, ending: str = "") -> list[Path]:
    """The paths that what belongs to a model file may have: beside it, and in the user's cache folder."""
    state = model.stat()
    content = _content_hash(model, state.st_ino, state.st_size, state.st_mtime_ns)
    name = f"openvino-{FORMAT}-{content[:24]}{ending}"
    return [model.parent / name, cache_folder() / "openvino" / name]


@functools.lru_cache(maxsize=64)
def _content_hash(model: Path, *state: int) -> str:
    """Asked for several times while a model is opened: computed once for each `state` of the file."""
    return sha256_of(model)


def first_writable(paths: list[Path]) -> Path | None:
    """The first of the paths whose folder can be written."""
    return next((path for path in paths if _writable(path.parent)), None)


def whole_folder(model: Path, ending: str = "") -> Path | None:
    """The model file's folder of that `ending` where it is there with all its files, unchanged."""
    return next((place for place in places(model, ending) if _is_whole(place)), None)


def make_folder(model: Path, write: Callable[[Path], None], *, ending: str = "") -> Path:
    """The model file's folder of that `ending`; where there is none yet, `write` fills it, and it appears whole or not
    at all. Raises InputError where no place can be written, and what `write` raises."""
    if whole := whole_folder(model, ending):
        return whole
    place = first_writable(places(model, ending))
    if place is None:
        raise InputError(
            f"{model.parent} and {cache_folder()}: no room for the converted network; set PNEUMOSEG_CACHE to a folder "
            "that can be written"
        )
    with FileLock(place.parent / LOCK):
        if not _is_whole(place):  # else another process has made it meanwhile
            shutil.rmtree(place, ignore_errors=True)
            with folder_aside(place) as aside:
                folder = aside / place.name
                folder.mkdir()
                write(folder)
                hashes = {path.name: sha256_of(path) for path in sorted(folder.iterdir())}
                (folder / HASHES).write_text(json.dumps(hashes), encoding="utf-8")
                os.rename(folder, place)
    return place


def _is_whole(place: Path) -> bool:
    try:
        hashes = read_json(place / HASHES, "the hashes of a converted network", dict)
        return {NETWORK, WEIGHTS} <= hashes.keys() and all(sha256_of(place / file) == hashes[file] for file in hashes)
    except (OSError, ValueError, TypeError):
        return False


def _writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False
