"""What a benchmark asks of the machine: how long a process takes, how much memory, and how fast matrices multiply."""

import functools
import json
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from pneumoseg.pipeline.prediction.engines import Precision
from pneumoseg.pipeline.runtime import hardware
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


def precisions() -> list[Precision]:
    """The precisions that this processor can predict in."""
    possible: list[Precision] = ["float32"]
    possible += ["bfloat16"] if hardware.has_bfloat16() else []
    possible += ["int8"] if hardware.has_int8() else []
    return possible


def matrix_rates() -> dict[str, float]:
    """Best sustained rate of square matrix products, operations per second, by precision: through OpenVINO, in float32
    through NumPy too."""
    rates = {"float32": 0.0, "bfloat16": 0.0, "int8": 0.0}
    for size in MATRIX_SIZES:
        matrix = np.random.default_rng(0).uniform(-1, 1, (size, size)).astype(np.float32)
        products: list[tuple[str, Callable[[], object]]] = [("float32", functools.partial(np.matmul, matrix, matrix))]
        products += [(precision, _product(matrix, precision)) for precision in rates]
        for precision, product in products:
            rates[precision] = max(rates[precision], 2.0 * size**3 / _shortest(product))
    return rates


def _shortest(product: Callable[[], object]) -> float:
    product()
    return min(timed(product)[1] for _ in range(3))


def _product(matrix: np.ndarray, precision: str) -> Callable[[], object]:
    """The product of a matrix and a constant one; in 8 bit with the quantisation of the one that is not constant."""
    from pneumoseg.pipeline.prediction.openvino_engine import openvino

    ops = openvino.opset8
    given = ops.parameter(list(matrix.shape), np.float32)
    one, other = given, ops.constant(matrix)
    if precision == "int8":
        ends = [np.float32(-1), np.float32(1)]
        one = ops.fake_quantize(given, *ends, *ends, 256)
        stored = ops.constant(np.round(matrix * 127).astype(np.int8))
        other = ops.multiply(ops.convert(stored, np.float32), ops.constant(np.float32(1 / 127)))
    model = openvino.Model([ops.result(ops.matmul(one, other, False, False))], [given], "product")
    hint = "bf16" if precision == "bfloat16" else "f32"
    compiled = openvino.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": hint})
    request = compiled.create_infer_request()
    request.set_input_tensor(openvino.Tensor(matrix))
    return request.infer


def report(figures: dict, json_file: Path | None) -> None:
    """Prints a benchmark's figures as JSON, and writes them to `json_file` where one is given."""
    text = json.dumps(figures, indent=2, allow_nan=False)
    if json_file is not None:
        json_file.write_text(text + "\n", encoding="utf-8")
    print(text)
