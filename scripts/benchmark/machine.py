"""What a benchmark asks of the machine: how long a process takes, how much memory, and how fast matrices multiply."""

import functools
import json
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from pneumoseg.pipeline.runtime.timing import timed

REPOSITORY = Path(__file__).resolve().parents[2]
MATRIX_SIZES = (2048, 4096, 8192)


def measured(command: list, folder: Path, **variables: str) -> dict[str, float]:
    """Wall-clock seconds and peak memory (GB) of a process, with environment `variables` of its own.

    Exits where the process fails.
    """
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"} | variables
    started = time.perf_counter()
    process = subprocess.Popen([str(part) for part in command], cwd=folder, env=environment)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    if status != 0:
        raise SystemExit(f"failed: {' '.join(map(str, command))}")
    return {"seconds": seconds, "peak_gb": usage.ru_maxrss * 1024 / 1e9}


def matrix_rates() -> dict[str, float]:
    """Best sustained rate of square matrix products, operations per second, by precision."""
    import tensorflow as tf

    rates = {}
    for name, dtype in (("float32", tf.float32), ("bfloat16", tf.bfloat16)):
        rates[name] = 0.0
        for size in MATRIX_SIZES:
            matrix = tf.cast(tf.random.normal((size, size), seed=0), dtype)
            product = functools.partial(tf.function(tf.linalg.matmul), matrix, matrix)
            rates[name] = max(rates[name], 2.0 * size**3 / _shortest(product))
    rates["int8"] = max(2.0 * size**3 / _shortest(_int8_product(size)) for size in MATRIX_SIZES)
    return rates


def _shortest(product: Callable[[], object]) -> float:
    product()
    return min(timed(product)[1] for _ in range(3))


def _int8_product(size: int) -> Callable[[], object]:
    """The product of 8-bit matrices as OpenVINO computes it, with the quantisation of the one that is not constant."""
    import numpy as np

    from pneumoseg.pipeline.prediction.openvino_engine import openvino

    ops = openvino.opset8
    matrix = np.random.default_rng(0).uniform(-1, 1, (size, size)).astype(np.float32)
    given = ops.parameter([size, size], np.float32)
    ends = [np.float32(-1), np.float32(1)]
    quantised = ops.fake_quantize(given, *ends, *ends, 256)
    stored = ops.constant(np.round(matrix * 127).astype(np.int8))
    weights = ops.multiply(ops.convert(stored, np.float32), ops.constant(np.float32(1 / 127)))
    product = ops.matmul(quantised, weights, False, False)
    model = openvino.Model([ops.result(product)], [given], "product")
    compiled = openvino.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    request = compiled.create_infer_request()
    request.set_input_tensor(openvino.Tensor(matrix))
    return request.infer


def report(figures: dict, json_file: Path | None) -> None:
    """Prints a benchmark's figures as JSON, and writes them to `json_file` where one is given."""
    text = json.dumps(figures, indent=2, allow_nan=False)
    if json_file is not None:
        json_file.write_text(text + "\n", encoding="utf-8")
    print(text)
