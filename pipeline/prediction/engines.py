"""What computes a trained network: OpenVINO on processors, Keras on GPUs and wherever OpenVINO cannot."""

import functools
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from pneumoseg.data_io.console import log
from pneumoseg.data_io.errors import InputError, options_of
from pneumoseg.data_io.public_text import AboutFiles
from pneumoseg.pipeline.models.model_file import load_model
from pneumoseg.pipeline.prediction import precision_choice, sliding_window
from pneumoseg.pipeline.prediction.forward_memory import require_prediction_memory
from pneumoseg.pipeline.prediction.tile_outputs import TileOutputs, WatchedNetwork
from pneumoseg.pipeline.runtime import hardware
from pneumoseg.pipeline.runtime.measured_choice import MeasuredChoice
from pneumoseg.pipeline.runtime.processes import begin_to_compute
from pneumoseg.pipeline.settings.schema import Settings

if TYPE_CHECKING:  # a converted network needs no Keras
    from pneumoseg.pipeline.runtime.keras_backend import keras


EngineName = Literal["auto", "keras", "openvino"]
Precision = Literal["auto", "float32", "bfloat16", "int8"]
POLICIES: Mapping[str, hardware.Policy] = {
    "float32": "float32",
    "bfloat16": "mixed_bfloat16",
    "float16": "mixed_float16",
}
"""Keras's names of the precisions."""


@dataclass(frozen=True, eq=False)
class Engine:
    """`network`: the mean over the model files. `name`: "openvino" or "keras".

    `precision`: "float32", "bfloat16", "int8", or "float16" (Keras on a GPU without units for bfloat16). `seconds`: of
    a tile by precision, where the precision was chosen by measuring.
    """

    name: str
    precision: str
    network: sliding_window.Network
    seconds: Mapping[str, float] = field(default_factory=dict)


def open_engine(
    files: Sequence[Path],
    settings: Settings,
    *,
    name: EngineName = "auto",
    precision: Precision = "auto",
    threads: int | None = None,
    trust_plugins: bool = False,
) -> Engine:
    """The networks of several model files as one.

    Engine "auto" takes OpenVINO unless there is a GPU, and Keras with a warning where OpenVINO fails. Precision "auto"
    takes the one that is measured to be fastest on this processor, among them int8 where 8-bit networks have been made;
    on a GPU bfloat16 or float16; float32 where the training was deterministic, as two measurements may choose
    differently. "int8" makes the 8-bit networks where there are none; where they cannot be made, there
    is a warning and "auto" is taken. `threads`: for OpenVINO; by default OMP_NUM_THREADS, or all. `trust_plugins`: as
    `model_file.load_model`. Raises InputError for an unknown name, for a precision that the processor lacks, and where
    the named engine cannot compute the networks.
    """
    _check_name("engine", name, get_args(EngineName))
    _check_name("precision", precision, get_args(Precision))
    if precision == "auto" and settings.training.deterministic:
        precision = "float32"
    threads = threads or hardware.requested_threads()
    on_processor = name != "keras" and not (name == "auto" and hardware.gpu_present())
    if precision == "bfloat16" and on_processor and not hardware.has_bfloat16():
        raise InputError("this processor has no bfloat16 instructions; choose float32", options=("precision",))
    if precision == "int8" and not (on_processor and hardware.has_int8()):
        raise InputError(
            "int8 needs the engine openvino and a processor with 8-bit instructions (VNNI or AMX); choose auto",
            options=("precision",),
        )
    if _uses_openvino(name):
        try:
            return _openvino(files, settings, precision, threads=threads, trust_plugins=trust_plugins)
        except (InputError, ImportError, OSError, RuntimeError) as error:
            if name == "openvino":
                raise InputError(f"engine openvino: {error}", options=options_of(error)) from error
            reason = AboutFiles(" ".join(str(error).split()), files)
            log.warning("OpenVINO cannot be used (%s); going on with Keras, slower", reason)
    return _keras(files, settings, precision if precision != "int8" else "auto", trust_plugins)


def convert_ahead(
    files: Sequence[Path],
    name: EngineName = "auto",
    trust_plugins: bool = False,
    *,
    executor: Executor | None = None,
) -> None:
    """Does side by side what `open_engine`, called for some of the files at a time, would do one after the other: by
    `executor`, or by processes on this machine."""
    if _uses_openvino(name):
        try:
            from pneumoseg.pipeline.prediction import conversion

            conversion.convert_ahead(files, trust_plugins, executor=executor)
        except (InputError, ImportError, OSError, RuntimeError) as error:
            log.debug("networks are not converted side by side (%s)", error)


def _check_name(what: str, name: str, valid: Sequence[str]) -> None:
    if name not in valid:
        raise InputError(f"the {what} is {', '.join(valid[:-1])} or {valid[-1]}, found {name}")


def _uses_openvino(name: EngineName) -> bool:
    return name == "openvino" or (name == "auto" and not (hardware.gpu_present() and hardware.gpu_available()))


def _openvino(
    files: Sequence[Path], settings: Settings, precision: Precision, *, threads: int | None, trust_plugins: bool
) -> Engine:
    from pneumoseg.pipeline.prediction import conversion, openvino_engine, quantization

    folders: dict[str, list[Path]] = {"float32": [conversion.converted(file, trust_plugins) for file in files]}
    if hardware.has_bfloat16():
        folders["bfloat16"] = folders["float32"]
    if precision == "int8":
        _make_int8_networks(files, settings, trust_plugins)
    if precision in ("auto", "int8") and hardware.has_int8():
        int8 = [folder for file in files if (folder := quantization.int8_network(file))]
        if len(int8) == len(files):
            folders["int8"] = int8

    def compiled(precision: str, shape: tuple[int, ...] | None, batch: int) -> sliding_window.Network:
        tile = (*shape, settings.channels) if shape else None
        return openvino_engine.compiled(folders[precision], tile, batch=batch, precision=precision, threads=threads)

    ways = {name: functools.partial(compiled, name) for name in folders}
    if precision in ways:
        choice = MeasuredChoice(precision, {})
    else:
        choice = precision_choice.fastest_precision(files, settings, ways, engine="openvino", threads=threads)
    network = ways[choice.name](settings.patches.shape, settings.prediction.batch)
    return Engine("openvino", choice.name, network, choice.seconds)


def _make_int8_networks(files: Sequence[Path], settings: Settings, trust_plugins: bool) -> None:
    """Makes the 8-bit networks that are missing, with the tiles beside the models or generated ones; a warning where
    that cannot be done."""
    from pneumoseg.pipeline.prediction import quantization
    from pneumoseg.pipeline.sampling import calibration

    try:
        for file in files:
            if quantization.int8_network(file) is None:
                quantization.require_nncf()  # before tiles are made
                tiles = calibration.tiles_beside(file, settings)
                quantization.make_int8_network(file, tiles, trust_plugins)
    except (InputError, RuntimeError) as error:  # OpenVINO raises RuntimeError
        log.warning("no int8 (%s); going on in float", AboutFiles(" ".join(str(error).split()), files))


def _keras(files: Sequence[Path], settings: Settings, precision: Precision, trust_plugins: bool) -> Engine:
    from pneumoseg.pipeline.networks.rebuilding import rebuild

    loaded = [load_model(file, trust_plugins).network for file in files]
    if settings.patches.shape is not None and not hardware.gpu_present():
        for file, network in zip(files, loaded, strict=True):
            shape, batch = settings.patches.shape, settings.prediction.batch
            require_prediction_memory(network, shape, batch, origin=str(file))

    def in_policy(policy: str, *_: object) -> sliding_window.Network:
        return sliding_window.ensemble([keras_network(rebuild(network, policy)) for network in loaded])

    if precision != "auto":
        choice = MeasuredChoice(precision, {})
    elif hardware.gpu_available():
        choice = MeasuredChoice(hardware.gpu_precision().removeprefix("mixed_"), {})
    else:
        names = ("float32", "bfloat16") if hardware.has_bfloat16() else ("float32",)
        ways = {name: functools.partial(in_policy, POLICIES[name]) for name in names}
        choice = precision_choice.fastest_precision(files, settings, ways, engine="keras")
    return Engine("keras", choice.name, in_policy(POLICIES[choice.name]), choice.seconds)


def keras_network(network: "keras.Model") -> WatchedNetwork:
    """Keras's own prediction, with the deepest features. Raises InputError where the GPU's memory is insufficient."""

    from pneumoseg.pipeline.prediction.bottleneck import with_features

    watched = with_features(network)

    def predict(tiles: np.ndarray) -> TileOutputs:
        begin_to_compute()
        try:
            if watched is None:
                return TileOutputs(np.asarray(network.predict_on_batch(tiles), np.float32))
            probabilities, features = watched.predict_on_batch(tiles)
            return TileOutputs(np.asarray(probabilities, np.float32), (np.asarray(features, np.float32),))
        except hardware.out_of_memory() as error:
            raise InputError(
                f"the GPU has not enough memory for {len(tiles)} tiles of {list(tiles.shape[1:-1])} at once: lower "
                "prediction.batch, or predict on the processor (device cpu)",
                options=("device",),
            ) from error

    return WatchedNetwork(predict)
