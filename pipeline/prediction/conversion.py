"""Conversion of trained networks for OpenVINO: once for each model file, from the Keras network.

Later predictions load the converted network alone and import neither Keras nor TensorFlow.
"""

import functools
import shutil
from collections.abc import Sequence
from concurrent.futures import Executor
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import numpy as np

from pneumoseg.data_io.console import log
from pneumoseg.data_io.errors import InputError
from pneumoseg.pipeline.models.model_file import load_model
from pneumoseg.pipeline.prediction.converted_files import NETWORK, make_folder, places
from pneumoseg.pipeline.prediction.forward_memory import require_tile_memory
from pneumoseg.pipeline.prediction.openvino_engine import compiled, openvino
from pneumoseg.pipeline.runtime import hardware
from pneumoseg.pipeline.runtime.executors import local_processes
from pneumoseg.pipeline.runtime.processes import may_start_processes

LARGEST_DIFFERENCE = 1e-3


def convert_ahead(paths: Sequence[Path], trust_plugins: bool = False, *, executor: Executor | None = None) -> None:
    """Converts several networks side by side by `executor`, or each in a process of its own: TensorFlow uses one core.

    Those that have been converted are left alone. A single one is left to `converted`, as is whatever fails here: it
    fails there, with its reason.
    """
    # Whether a conversion is whole is checked where it is used, as that reads all of it.
    waiting = [path for path in paths if not any(place.is_dir() for place in places(path))]
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

    `trust_plugins`: as `model_file.load_model`. Raises InputError where OpenVINO cannot convert the network or does not
    give the same probabilities, and as `converted_files.make_folder`.
    """
    return make_folder(path, functools.partial(_convert, path, trust_plugins))


def _convert(path: Path, trust_plugins: bool, folder: Path) -> None:
    log.info("%s: converting the network once", path)
    try:
        _export(path, folder, trust_plugins)
    except (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{path}: OpenVINO cannot convert the network ({reason})") from error


def _export(path: Path, folder: Path, trust_plugins: bool) -> None:
    from pneumoseg.pipeline.networks.rebuilding import rebuild

    model = load_model(path, trust_plugins)
    size = (2 * model.settings.divisor,) * model.settings.dimensions
    require_tile_memory(model.settings, size, str(path))
    shape = (*size, model.settings.channels)
    network = rebuild(model.network, "float32", plain=True)
    # Through a file: openvino.convert_model would report to its makers over the network.
    network.export(folder / "exported", format="tf_saved_model", verbose=False)
    graph = openvino.Core().read_model(folder / "exported")
    _store_in_half_where_exact(graph)
    openvino.save_model(graph, folder / NETWORK, compress_to_fp16=False)
    shutil.rmtree(folder / "exported")
    tile = np.random.default_rng(0).normal(size=(1, *shape)).astype(np.float32)
    difference = np.abs(compiled([folder], shape)(tile) - network.predict_on_batch(tile)).max()
    if not difference < LARGEST_DIFFERENCE:
        raise InputError(
            f"{path}: the network as converted by OpenVINO gives other probabilities (by up to {difference:.2g})"
        )


def _store_in_half_where_exact(graph: openvino.Model) -> None:
    """Weights that are numbers of half precision, as those of a bundle, take half the room; the network computes the
    same, which rounding all numbers, as OpenVINO does when it is asked to compress, would not."""
    for node in graph.get_ops():
        if node.get_type_name() != "Constant" or node.get_element_type() != openvino.Type.f32:
            continue
        with np.errstate(over="ignore"):
            half = node.data.astype(np.float16)
        if half.size > 1 and np.array_equal(half.astype(np.float32), node.data):
            convert = openvino.opset8.convert(openvino.opset8.constant(half), np.float32)
            node.output(0).replace(convert.output(0))
