"""Networks through OpenVINO, the fastest way through a convolutional network on most processors.

A Keras model is converted once; the result lies beside it (or in the user's cache folder where that cannot be written)
under a name that is made of the model file's content, so that another model never finds it. Later predictions load
the converted network alone and import neither Keras nor TensorFlow.
"""

import functools
import json
import math
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Literal

import numpy as np
from filelock import FileLock

from pneumoseg.data_io.console import log
from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.content_hash import sha256_of
from pneumoseg.data_io.storage.atomic import folder_aside
from pneumoseg.data_io.storage.cache import cache_folder
from pneumoseg.data_io.storage.json_files import read_json
from pneumoseg.pipeline.models.model_file import load_model
from pneumoseg.pipeline.prediction.forward_memory import require_tile_memory
from pneumoseg.pipeline.runtime import hardware
from pneumoseg.pipeline.runtime.executors import local_processes
from pneumoseg.pipeline.runtime.processes import begin_to_compute, may_start_processes

# On import, OpenVINO would write an identifier into the user's home and report to its makers over the network. A module
# that cannot be imported is what it takes for "no telemetry installed".
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
import openvino  # noqa: E402

FORMAT = 1
NETWORK_FILES = ("network.xml", "network.bin")
LARGEST_DIFFERENCE = 1e-3


def convert_ahead(paths: Sequence[Path], trust_plugins: bool = False, *, executor: Executor | None = None) -> None:
    """Converts several networks side by side by `executor`, or each in a process of its own: TensorFlow uses one core.

    Those that have been converted are left alone. A single one is left to `converted`, as is whatever fails here: it
    fails there, with its reason.
    """
    # Whether a conversion is whole is checked where it is used, as that reads all of it.
    waiting = [path for path in paths if not any(place.is_dir() for place in _places(path))]
    if len(waiting) < 2:
        return
    pool: AbstractContextManager[Executor]
    if executor is not None:
        pool = nullcontext(executor)
    elif hardware.usable_cores() >= 2 and may_start_processes():
        pool = local_processes(min(len(waiting), hardware.usable_cores()))
    else:
        return
    log.info("converting %d networks once", len(waiting))
    with pool as converting:
        for conversion in [converting.submit(converted, path, trust_plugins) for path in waiting]:
            conversion.exception()


def converted(path: Path, trust_plugins: bool = False) -> Path:
    """The folder with the model file's network as OpenVINO reads it; converts it where that has not been done.

    It lies in the model's own folder, or in the user's cache folder where that cannot be written. `trust_plugins`: as
    `model_file.load_model`. Raises InputError where OpenVINO cannot convert the network or does not give the same
    probabilities.
    """
    places = _places(path)
    whole = [place for place in places if _is_whole(place)]
    if whole:
        return whole[0]
    writable = [place for place in places if _writable(place.parent)]
    if not writable:
        raise InputError(
            f"{path.parent} and {cache_folder()}: no room for the converted network; set PNEUMOSEG_CACHE to a folder "
            "that can be written"
        )
    place = writable[0]
    with FileLock(place.parent / ".openvino.lock"):
        if not _is_whole(place):  # else another process has made it meanwhile
            log.info("%s: converting the network once", path)
            shutil.rmtree(place, ignore_errors=True)
            _convert(path, place, trust_plugins)
    return place


def compiled(
    folders: Sequence[Path],
    shape: Sequence[int] | None,
    *,
    batch: int = 1,
    precision: Literal["float32", "bfloat16"] = "float32",
    threads: int | None = None,
) -> Callable[[np.ndarray], np.ndarray]:
    """The mean of the converted networks: from up to `batch` tiles (n, x, y[, z], 1), float32, to probabilities.

    Several networks become one graph that shares its working memory. It is compiled for tiles of `shape`, at once
    unless that is None, and again whenever another size comes; InputError where the memory would not do. `precision`:
    "float32" or "bfloat16".
    """
    begin_to_compute()
    core = openvino.Core()
    properties = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": {"float32": "f32", "bfloat16": "bf16"}[precision],
    }
    if threads is not None:
        properties["INFERENCE_NUM_THREADS"] = str(threads)

    @functools.lru_cache(maxsize=1)
    def for_shape(tiles_shape: tuple[int, ...]) -> openvino.CompiledModel:
        models = [core.read_model(folder / NETWORK_FILES[0]) for folder in folders]
        joined = _joined(models, tiles_shape)
        _require_memory(joined)
        return core.compile_model(joined, "CPU", properties)

    def probabilities(tiles: np.ndarray) -> np.ndarray:
        begin_to_compute()
        missing = batch - len(tiles)
        full = np.concatenate([tiles, np.zeros((missing, *tiles.shape[1:]), np.float32)]) if missing else tiles
        return for_shape(full.shape)(np.ascontiguousarray(full, dtype=np.float32))[0][: len(tiles)]

    if shape is not None:
        for_shape((batch, *shape, 1))
    return probabilities


def _places(path: Path) -> list[Path]:
    """The folders that a model file's converted network may lie in."""
    name = f"openvino-{FORMAT}-{sha256_of(path)[:24]}"
    return [path.parent / name, cache_folder() / "openvino" / name]


def _joined(models: Sequence[openvino.Model], shape: tuple[int, ...]) -> openvino.Model:
    from openvino import opset8 as ops

    for model in models:
        model.reshape(openvino.PartialShape(list(shape)))
    if len(models) == 1:
        return models[0]
    tiles = ops.parameter(list(shape), np.float32, name="tiles")
    outputs = []
    for model in models:
        model.inputs[0].replace(tiles.output(0))
        outputs.append(model.outputs[0].get_node().input_value(0))
    total = outputs[0]
    for output in outputs[1:]:
        total = ops.add(total, output).output(0)
    mean = ops.multiply(total, ops.constant(np.float32(1.0 / len(models))))
    return openvino.Model([ops.result(mean)], [tiles], "ensemble")


def _require_memory(model: openvino.Model) -> None:
    """Raises InputError where what one operation takes and gives would not fit into memory twice over."""
    ports = [[*operation.inputs(), *operation.outputs()] for operation in model.get_ops()]
    largest = max(sum(map(_value_count, together)) for together in ports)
    hardware.require_memory(
        f"the network, for tiles of {model.inputs[0].partial_shape},",
        2.0 * largest * 4.0 / 1e9,
        remedy="lower prediction.batch, or use a smaller model",
    )


def _value_count(port) -> float:
    shape = port.get_partial_shape()
    return 0.0 if shape.is_dynamic else math.prod(float(size.get_length()) for size in shape)


def _convert(path: Path, place: Path, trust_plugins: bool) -> None:
    """Writes the network's files and, last, their hashes to `place`, whole or not at all."""
    with folder_aside(place) as aside:
        folder = aside / place.name
        folder.mkdir()
        try:
            _export(path, folder, trust_plugins)
        except (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
            if isinstance(error, InputError):
                raise
            reason = " ".join(str(error).split())[:200]
            raise InputError(f"{path}: OpenVINO cannot convert the network ({reason})") from error
        hashes = {file: sha256_of(folder / file) for file in NETWORK_FILES}
        (folder / "hashes.json").write_text(json.dumps(hashes), encoding="utf-8")
        os.rename(folder, place)


def _export(path: Path, folder: Path, trust_plugins: bool) -> None:
    from pneumoseg.pipeline.networks.rebuilding import rebuild

    model = load_model(path, trust_plugins)
    shape = (2 * model.settings.divisor,) * model.settings.dimensions
    require_tile_memory(model.settings, shape, str(path))
    network = rebuild(model.network, "float32", plain=True)
    # Through a file: openvino.convert_model would report to its makers over the network.
    network.export(folder / "exported", format="tf_saved_model", verbose=False)
    graph = openvino.Core().read_model(folder / "exported")
    openvino.save_model(graph, folder / NETWORK_FILES[0], compress_to_fp16=False)
    shutil.rmtree(folder / "exported")
    tile = np.random.default_rng(0).normal(size=(1, *shape, 1)).astype(np.float32)
    difference = np.abs(compiled([folder], shape)(tile) - network.predict_on_batch(tile)).max()
    if not difference < LARGEST_DIFFERENCE:
        raise InputError(
            f"{path}: the network as converted by OpenVINO gives other probabilities (by up to {difference:.2g})"
        )


def _is_whole(place: Path) -> bool:
    try:
        hashes = read_json(place / "hashes.json", "the hashes of a converted network", dict)
        return all(sha256_of(place / file) == hashes[file] for file in NETWORK_FILES)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False
