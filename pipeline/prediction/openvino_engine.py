"""Converted networks computed by OpenVINO, the fastest way through a convolutional network on most processors."""

import functools
import math
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pneumoseg.pipeline.prediction.converted_files import NETWORK
from pneumoseg.pipeline.prediction.tile_outputs import TileOutputs, WatchedNetwork
from pneumoseg.pipeline.runtime import hardware
from pneumoseg.pipeline.runtime.processes import begin_to_compute

# On import, OpenVINO would write an identifier into the user's home and report to its makers over the network. A module
# that cannot be imported is what it takes for "no telemetry installed".
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
import openvino  # noqa: E402

COMPUTING = threading.Lock()
"""Networks compute one after the other, each with all cores: the two of the bundled model take 12 s so, 13 s without
order and 18 s side by side with half the cores each (133 slices of 512 x 512, two cores)."""


def compiled(
    folders: Sequence[Path],
    shape: Sequence[int] | None,
    *,
    batch: int = 1,
    precision: str = "float32",
    threads: int | None = None,
) -> WatchedNetwork:
    """The mean of the converted networks: from up to `batch` tiles (n, x, y[, z], channels), float32, to probabilities,
    with the deepest features and, of several networks, their votes.

    Several networks become one graph that shares its working memory. It is compiled for tiles of `shape`, (x, y[, z],
    channels), at once unless that is None, and again whenever another size comes, or fewer tiles; InputError where the
    memory would not do. `precision`: "float32", "bfloat16" or "int8"; the latter is for folders of 8-bit networks,
    whose other layers compute in bfloat16 where the processor has it.
    """
    begin_to_compute()
    core = openvino.Core()
    half = precision == "bfloat16" or (precision == "int8" and hardware.has_bfloat16())
    properties = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": "bf16" if half else "f32",
        "ENABLE_CPU_PINNING": "NO",  # two processes would pin their threads to the same cores, and take turns
    }
    if threads is not None:
        properties["INFERENCE_NUM_THREADS"] = str(threads)

    @functools.lru_cache(maxsize=2)
    def for_shape(tiles_shape: tuple[int, ...]) -> openvino.CompiledModel:
        models = [core.read_model(folder / NETWORK) for folder in folders]
        joined = _joined(models, tiles_shape)
        _require_memory(joined)
        return core.compile_model(joined, "CPU", properties)

    def outputs(tiles: np.ndarray) -> TileOutputs:
        begin_to_compute()
        step = batch if len(tiles) == batch else 1  # a rest, such as the one tile of a picture, is computed one by one
        parts = [tiles[start : start + step] for start in range(0, len(tiles), step)]
        with COMPUTING:
            found = [
                list(for_shape(part.shape)(np.ascontiguousarray(part, dtype=np.float32)).values()) for part in parts
            ]
        probabilities, *others = found[0] if len(found) == 1 else map(np.concatenate, zip(*found, strict=True))
        votes = others.pop() if len(folders) > 1 else None
        return TileOutputs(probabilities, tuple(others), votes, voters=len(folders))

    if shape is not None:
        for_shape((batch, *shape))
    return WatchedNetwork(outputs)


def _joined(models: Sequence[openvino.Model], shape: tuple[int, ...]) -> openvino.Model:
    """One model whose outputs are the mean probabilities, the deepest features of each network where all have them, and
    of several networks their votes, as `TileOutputs` has them."""
    from openvino import opset8 as ops

    for model in models:
        model.reshape(openvino.PartialShape(list(shape)))
    pooled = [_pooled_features(model) for model in models]
    features = [ops.result(one) for one in pooled if one is not None] if None not in pooled else []
    if len(models) == 1:
        models[0].add_results(features)
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
    votes = _largest(_every_second(outputs[0]))
    for output in outputs[1:]:
        votes = ops.add(votes, _largest(_every_second(output)))
    return openvino.Model([ops.result(mean), *features, ops.result(votes)], [tiles], "ensemble")


def _pooled_features(model: openvino.Model) -> openvino.Node | None:
    """What goes into the first transposed convolution, (n, channels, ...), averaged over the tile, as
    `bottleneck.with_features` has it; None where the network has none."""
    from openvino import opset8 as ops

    for operation in model.get_ordered_ops():
        if operation.get_type_name() == "ConvolutionBackpropData":
            deepest = operation.input_value(0)
            axes = list(range(2, len(deepest.get_partial_shape())))
            return ops.reduce_mean(deepest, ops.constant(np.array(axes, np.int64)), keep_dims=False)
    return None


def _every_second(probabilities: openvino.Output) -> openvino.Node:
    """As `tile_outputs.every_second`."""
    from openvino import opset8 as ops

    count = len(probabilities.get_partial_shape())
    ends = np.zeros(count, np.int64)
    steps = np.array([1, *[2] * (count - 2), 1], np.int64)
    whole = [1] * count  # bounds do not count
    return ops.strided_slice(
        probabilities, ops.constant(ends), ops.constant(ends), ops.constant(steps), begin_mask=whole, end_mask=whole
    )


def _largest(probabilities: openvino.Node) -> openvino.Node:
    """As `tile_outputs.is_largest`."""
    from openvino import opset8 as ops

    largest = ops.reduce_max(probabilities, ops.constant(np.array([-1], np.int64)), keep_dims=True)
    return ops.convert(ops.greater_equal(probabilities, largest), np.float32)


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
