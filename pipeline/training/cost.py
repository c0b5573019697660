"""What an experiment will cost, before it is begun: time, memory and disk, each a rough estimate."""

import functools
import itertools
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pneumoseg.data_io.volumes.volume import Grid
from pneumoseg.pipeline.networks.operations import forward_operations
from pneumoseg.pipeline.networks.registry import build_network
from pneumoseg.pipeline.preprocessing.preprocessor import Preprocessor
from pneumoseg.pipeline.runtime import hardware
from pneumoseg.pipeline.runtime.keras_backend import keras
from pneumoseg.pipeline.sampling import batches, patches
from pneumoseg.pipeline.settings.schema import Settings

# Share of the measured matrix rate that convolutions reach, and memory per byte of float32 activations in training:
# read off runs of the standard U-Net on two processor cores (peaks of 10.0 and 2.5 GB; the estimates are 10.8 and 2.3).
CONVOLUTION_EFFICIENCY = 0.8
ACTIVATION_COPIES = 1.1
BASE_GB = 1.0
BYTES = 4.0


@dataclass(frozen=True)
class Cost:
    """`parameters` of the network; floating-point operations of one training step; estimates for the whole."""

    parameters: int
    step_tflop: float
    fold_minutes: float
    total_minutes: float
    memory_gb: float
    disk_gb: float


def estimate(settings: Settings, grids: Sequence[Grid], folds: int) -> Cost:
    """The cost of `folds` trainings on this machine's processor, each as if on all volumes (on `grids`), and of
    predicting each volume once."""
    require_settings_memory(settings, hardware.training_memory_gb())
    network = build_network(settings)
    preprocessor = Preprocessor(settings.preprocessing)
    prepared = [preprocessor.grid(grid).shape for grid in grids]
    largest = max(prepared, key=np.prod)
    shape = patches.patch_shape(settings, largest)
    forward, values = forward_operations(network, patches.network_shape(settings, largest))
    step = 3.0 * forward * settings.patches.batch
    fold = step_seconds(step) * batches.steps_in_epoch(prepared, settings) * settings.training.epochs
    tiles = sum(len(patches.grid_corners(size, shape, settings.prediction.overlap)) for size in prepared)
    passes = tiles * 2 ** len(settings.prediction.mirror_axes)
    weights = network.count_params() * BYTES
    # A voxel's channels in half precision, and its label; slices side by side are stored once.
    stored_bytes = 2.0 * settings.channels / (2 * settings.patches.neighbours + 1) + 1.0
    return Cost(
        parameters=network.count_params(),
        step_tflop=step / 1e12,
        fold_minutes=fold / 60.0,
        total_minutes=(fold * folds + step_seconds(passes * forward)) / 60.0,
        memory_gb=training_memory_gb(network, values, settings.patches.batch),
        disk_gb=(sum(float(np.prod(size)) for size in prepared) * stored_bytes + folds * 4 * weights) / 1e9,
    )


def memory_gb(settings: Settings, grids: Sequence[Grid]) -> float:
    """The estimated peak memory of a training on volumes on `grids`, on whichever machine."""
    network, preprocessor = build_network(settings), Preprocessor(settings.preprocessing)
    largest = max((preprocessor.grid(grid).shape for grid in grids), key=np.prod)
    _, values = forward_operations(network, patches.network_shape(settings, largest))
    return training_memory_gb(network, values, settings.patches.batch)


def step_seconds(operations: float) -> float:
    """The time that so many operations of convolutions take on this processor in float32, estimated by the rate of a
    matrix product."""
    return operations / (_matrix_rate() * CONVOLUTION_EFFICIENCY)


def require_memory(network: keras.Model, shape: tuple[int, ...], batch: int, *, available_gb: float) -> None:
    """Raises InputError where training on `batch` patches of that shape would need more than `available_gb`."""
    hardware.require_memory(
        f"training on {batch} patches of {list(shape)} at once",
        training_memory_gb(network, forward_operations(network, shape)[1], batch),
        remedy="lower patches.batch (training.accumulated_steps makes up for it), patches.shape or network.filters",
        available_gb=available_gb,
    )


def require_settings_memory(settings: Settings, available_gb: float) -> None:
    """Raises InputError where training would surely need more than `available_gb`, by the settings alone: before the
    network is built. Sums what no network of this width and no batch of these patches does without."""
    axes, widths = settings.dimensions, settings.network.filters
    custom = ":" in settings.network.name  # such a network may read its width otherwise
    weights = 0.0 if custom else 0.5 * sum(3.0**axes * one * next_ for one, next_ in itertools.pairwise(widths))
    voxels = 0.0 if settings.patches.shape is None else math.prod(settings.patches.shape)  # else known when trained
    batch = settings.patches.batch
    activations = 0.0 if custom else voxels * batch * widths[0] * BYTES
    hardware.require_memory(
        "training",
        (4.0 * BYTES * weights + activations + voxels * batch * (BYTES * settings.channels + 1.0)) / 1e9,
        remedy=f"lower patches.batch ({batch}), patches.shape ({list(settings.patches.shape or ())}) or "
        f"network.filters ({list(widths)})",
        available_gb=available_gb,
    )


def training_memory_gb(network: keras.Model, values: float, batch: int) -> float:
    """Estimated peak memory of training: `values` that all layers put out for each of `batch` patches, in the precision
    the network computes in, and the float32 weights with gradients and the optimiser's two moments."""
    half = any(layer.compute_dtype in ("bfloat16", "float16") for layer in network.layers if layer.weights)
    activations = values * ACTIVATION_COPIES * batch * (BYTES / 2.0 if half else BYTES)
    return BASE_GB + (activations + 4.0 * BYTES * network.count_params()) / 1e9


@functools.cache
def _matrix_rate(size: int = 2048) -> float:
    """Floating-point operations per second of a float32 matrix product here, the better of three."""
    matrix = np.ones((size, size), np.float32)
    seconds = []
    for _ in range(3):
        started = time.perf_counter()
        matrix @ matrix
        seconds.append(time.perf_counter() - started)
    return 2.0 * size**3 / min(seconds)
