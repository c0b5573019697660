"""What the archive of a model file declares, checked before any of it takes memory.

A file of a few megabytes may unpack to gigabytes, and a network's description of a few bytes may ask for as much.
"""

import io
import math
import re
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.storage.json_files import parse_json

SETTINGS_ENTRY = "pneumoseg.json"
NETWORK_ENTRY = "config.json"
WEIGHTS_ENTRY = "model.weights.h5"
FEATURES_ENTRY = "training_features.bin"
LARGEST_BYTES = {
    SETTINGS_ENTRY: 1_000_000,
    NETWORK_ENTRY: 16_000_000,
    "metadata.json": 1_000_000,
    FEATURES_ENTRY: 16_100_000,
}
LAYERS = re.compile(
    r"InputLayer|(Separable|Depthwise)?Conv[123]D(Transpose)?|(Max|Average)Pooling[123]D|Global(Max|Average)Pooling[123]D|"
    r"UpSampling[123]D|ZeroPadding[123]D|Cropping[123]D|(Batch|Group|Layer|Unit|Spectral)Normalization|Rescaling|"
    r"Activation|Softmax|P?ReLU|LeakyReLU|ELU|Add|Subtract|Multiply|Average|Maximum|Minimum|Concatenate|Identity|Dense|"
    r"(Spatial|Gaussian|Alpha)?Dropout([123]D)?|GaussianNoise|ActivityRegularization"
)
"""Keras's layers that networks for segmentation and for whole studies are made of."""
EXPANSION = 20
"""Largest unpacked size, in multiples of the file's: Keras does not compress, weights hardly can be."""
FREE_BYTES = 16_000_000
"""What any file may unpack to."""
UNREADABLE = (zipfile.BadZipFile, OSError, ValueError, RuntimeError, EOFError, LookupError, zlib.error)
"""What zipfile and h5py raise for damaged, encrypted and otherwise odd files."""


def read_checked(path: Path, trust_plugins: bool = False) -> dict:
    """The content of pneumoseg.json, once the archive is known to be no larger than it looks.

    Raises InputError where the file is missing, damaged or not one of this program's, where it unpacks to more than
    20 times its size, where its network needs more weights than it holds, and, unless `trust_plugins`, for layers
    that no network of this program needs: some take memory without end from a few numbers.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such model file")
    try:
        with zipfile.ZipFile(path) as archive:
            entries = {entry.filename: entry for entry in archive.infolist()}
            _check_sizes(path, archive.infolist())
            if SETTINGS_ENTRY not in entries:
                raise InputError(f"{path}: no {SETTINGS_ENTRY} in it; give a model.keras of a run folder")
            settings = archive.read(SETTINGS_ENTRY)
            if NETWORK_ENTRY in entries and WEIGHTS_ENTRY in entries:
                network = parse_json(archive.read(NETWORK_ENTRY), f"{path}", "the description of a network", kind=dict)
                _check_weights(path, archive, entries[WEIGHTS_ENTRY], network)
                if not trust_plugins:
                    _check_layers(path, network)
    except UNREADABLE as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path}: not a readable model file ({' '.join(str(error).split())[:200]})") from error
    return parse_json(settings, f"{path}", "the record of a model's settings", kind=dict)


def _check_sizes(path: Path, entries: list[zipfile.ZipInfo]) -> None:
    for entry in entries:
        largest = LARGEST_BYTES.get(entry.filename, math.inf)
        if entry.file_size > largest:
            raise InputError(
                f"{path}: {entry.filename} has at most {largest / 1e6:g} MB, found {entry.file_size / 1e6:.0f} MB"
            )
    unpacked, allowed = sum(entry.file_size for entry in entries), FREE_BYTES + EXPANSION * path.stat().st_size
    if unpacked > allowed:
        raise InputError(
            f"{path}: a model of this size unpacks to at most {allowed / 1e6:.0f} MB, found {unpacked / 1e6:.0f} MB"
        )


def _check_weights(path: Path, archive: zipfile.ZipFile, entry: zipfile.ZipInfo, network: dict) -> None:
    import h5py

    stored_as_it_is = entry.compress_type == zipfile.ZIP_STORED and entry.compress_size == entry.file_size
    # Within an archive, zipfile reads all that comes before a place again: at once is seven times as fast.
    content = io.BytesIO(archive.read(entry)) if stored_as_it_is else archive.open(entry)
    with content as stored, h5py.File(stored, "r") as file:
        arrays: list[h5py.Dataset] = []
        file.visititems(lambda name, item: arrays.append(item) if isinstance(item, h5py.Dataset) else None)
        held_bytes, held = sum(array.nbytes for array in arrays), sum(array.size for array in arrays)
    if held_bytes > entry.file_size:
        raise InputError(
            f"{path}: weights are stored as they are, found {held_bytes / 1e6:.0f} MB in {entry.file_size / 1e6:.0f} MB"
        )
    needed = max(map(_weight_count, _layers(network)), default=0.0)
    if needed > max(held, 1):
        raise InputError(f"{path}: a layer needs {needed:.3g} weights, found {held:,} in the file")


def _check_layers(path: Path, network: dict) -> None:
    for layer in _layers(network):
        builtin = str(layer.get("module") or "").startswith("keras.layers")
        if builtin and not LAYERS.fullmatch(str(layer["class_name"])):
            message = f"{path}: a network with {layer['class_name']} layers is loaded only where plug-ins are trusted"
            raise InputError(message, options=("trust_plugins",))


def _layers(content: object) -> Iterator[dict]:
    """All descriptions of layers within a network's, those of models within it too."""
    waiting = [content]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict) and isinstance(one.get("config"), dict) and "class_name" in one:
            yield one
        if isinstance(one, dict | list):
            waiting += one.values() if isinstance(one, dict) else one


def _weight_count(layer: dict) -> float:
    """How many weights a layer has at least, by what its description says: kernel, width, and channels of its input."""
    config, built = layer["config"], layer.get("build_config")
    shape = built.get("input_shape") if isinstance(built, dict) else None
    channels = shape[-1] if isinstance(shape, list) and shape else 1
    separable = "Separable" in str(layer["class_name"])
    count = 1.0
    for name in ("filters", "units", "output_dim", "input_dim", "num_heads", "key_dim", "kernel_size"):
        sizes = config.get(name)
        if name == "kernel_size" and separable:
            continue
        for size in sizes if isinstance(sizes, list) else [sizes]:
            count *= size if type(size) is int and size > 0 else 1
    if count > 1 and "input_dim" not in config and type(channels) is int and channels > 0:
        groups = config.get("groups")
        count *= channels / (groups if type(groups) is int and groups > 0 else 1)
    return count
