"""What computes a trained network: OpenVINO on processors, Keras on GPUs and wherever OpenVINO cannot."""

from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from pneumoseg.data_io.console import log
from pneumoseg.data_io.errors import InputError, options_of
from pneumoseg.data_io.public_text import AboutFiles
from pneumoseg.pipeline.models.model_file import load_model
from pneumoseg.pipeline.prediction import sliding_window
from pneumoseg.pipeline.prediction.forward_memory import require_prediction_memory
from pneumoseg.pipeline.runtime import hardware
from pneumoseg.pipeline.runtime.processes import begin_to_compute
from pneumoseg.pipeline.settings.schema import Settings

if TYPE_CHECKING:  # a converted network needs no Keras
    from pneumoseg.pipeline.runtime.keras_backend import keras


EngineName = Literal["auto", "keras", "openvino"]
Precision = Literal["auto", "float32", "bfloat16"]


@dataclass(frozen=True, eq=False)
class Engine:
    """`network`: the mean over the model files. `name`: "openvino" or "keras".

    `precision`: "float32", "bfloat16", or "float16" (Keras on a GPU without units for bfloat16).
    """

    name: str
    precision: str
    network: sliding_window.Network


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

    "auto" takes OpenVINO unless there is a GPU, and Keras with a warning where OpenVINO fails; bfloat16 where the
    hardware has units for it, float16 on other GPUs. `threads`: for OpenVINO; all by default. `trust_plugins`: as
    `model_file.load_model`. Raises InputError for an unknown name, and where the named engine cannot compute the
    networks.
    """
    _check_name("engine", name, get_args(EngineName))
    _check_name("precision", precision, get_args(Precision))
    if precision == "bfloat16" and name != "keras" and not (hardware.has_bfloat16() or hardware.gpu_present()):
        raise InputError("this processor has no bfloat16 instructions; choose float32", options=("precision",))
    if _uses_openvino(name):
        try:
            return _openvino(files, settings, precision, threads=threads, trust_plugins=trust_plugins)
        except (InputError, ImportError, OSError, RuntimeError) as error:
            if name == "openvino":
                raise InputError(f"engine openvino: {error}", options=options_of(error)) from error
            reason = AboutFiles(" ".join(str(error).split()), files)
            log.warning("OpenVINO cannot be used (%s); going on with Keras, slower", reason)
    return _keras(files, settings, precision, trust_plugins)


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
            from pneumoseg.pipeline.prediction import openvino_engine

            openvino_engine.convert_ahead(files, trust_plugins, executor=executor)
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
    from pneumoseg.pipeline.prediction import openvino_engine

    if precision == "auto":
        precision = "bfloat16" if hardware.bfloat16_pays() else "float32"
    folders = [openvino_engine.converted(file, trust_plugins) for file in files]
    shape, batch = settings.patches.shape, settings.prediction.batch
    return Engine(
        "openvino",
        precision,
        openvino_engine.compiled(folders, shape, batch=batch, precision=precision, threads=threads),
    )


def _keras(files: Sequence[Path], settings: Settings, precision: Precision, trust_plugins: bool) -> Engine:
    from pneumoseg.pipeline.networks.rebuilding import rebuild

    policy = hardware.choose_precision("mixed_bfloat16" if precision == "bfloat16" else precision)
    networks = [rebuild(load_model(file, trust_plugins).network, policy) for file in files]
    if settings.patches.shape is not None and not hardware.gpu_present():
        for file, network in zip(files, networks, strict=True):
            shape, batch = settings.patches.shape, settings.prediction.batch
            require_prediction_memory(network, shape, batch, origin=str(file))
    ensemble = sliding_window.ensemble([keras_network(network) for network in networks])
    return Engine("keras", policy.removeprefix("mixed_"), ensemble)


def keras_network(network: "keras.Model") -> sliding_window.Network:
    """Keras's own prediction. Raises InputError where the GPU's memory is insufficient."""

    def predict(tiles: np.ndarray) -> np.ndarray:
        begin_to_compute()
        try:
            return network.predict_on_batch(tiles)
        except hardware.out_of_memory() as error:
            raise InputError(
                f"the GPU has not enough memory for {len(tiles)} tiles of {list(tiles.shape[1:-1])} at once: lower "
                "prediction.batch, or predict on the processor (device cpu)",
                options=("device",),
            ) from error

    return predict
