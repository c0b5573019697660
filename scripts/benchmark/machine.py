"""What a benchmark asks of the machine: how long a process takes, how much memory, and how fast matrices multiply."""

import json
import os
import subprocess
import time
from pathlib import Path

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
    for name, dtype in (("bf16", tf.bfloat16), ("float32", tf.float32)):
        rates[name] = 0.0
        for size in MATRIX_SIZES:
            matrix = tf.cast(tf.random.normal((size, size), seed=0), dtype)
            product = tf.function(tf.linalg.matmul)
            product(matrix, matrix)
            for _ in range(3):
                started = time.perf_counter()
                product(matrix, matrix)
                rates[name] = max(rates[name], 2.0 * size**3 / (time.perf_counter() - started))
    return rates


def report(figures: dict, json_file: Path | None) -> None:
    """Prints a benchmark's figures as JSON, and writes them to `json_file` where one is given."""
    text = json.dumps(figures, indent=2, allow_nan=False)
    if json_file is not None:
        json_file.write_text(text + "\n", encoding="utf-8")
    print(text)
