"""Training against MIScnn 1.4.0 and plain Keras 3: the same CTs, patches, batch size, network and augmentation.

    python scripts/benchmark/train.py WORK --json train.json [--skip miscnn] [--steps 4]

WORK is a folder for what is made once, as for batches.py. Each program is a process of its own that trains the network
of covid-3d-unet: first on one batch again and again (a step: the median), then on batches made on the fly (end to end:
wall-clock seconds of all steps but the first). `keras` is the same network with Keras's own batch normalisation, in
the precision that this program chooses for the machine. The floor is three times the forward pass's operations at the
machine's bfloat16 matrix rate.
"""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from pneumoseg.scripts.benchmark.batches import cts_with_masks
from pneumoseg.scripts.benchmark.machine import REPOSITORY, matrix_rates, measured, report

PROGRAMS = ("pneumoseg", "keras", "miscnn")


def benchmark(
    work: Annotated[Path, typer.Argument(help="Folder for CTs, prepared cases and environments.")],
    json_file: Annotated[Path | None, typer.Option("--json", help="Where the figures go.")] = None,
    skip: Annotated[list[str] | None, typer.Option("--skip", help="keras or miscnn; may be repeated.")] = None,
    steps: Annotated[int, typer.Option("--steps", min=2, help="Steps of each kind, after one that warms up.")] = 4,
) -> None:
    """Measures a training step, and data and step together, in seconds a patch."""
    from pneumoseg.pipeline.networks.registry import build_network
    from pneumoseg.pipeline.runtime.hardware import choose_precision
    from pneumoseg.pipeline.settings.loading import load_settings
    from pneumoseg.pipeline.training.cost import forward_operations

    work = work.resolve()
    data = cts_with_masks(work)
    figures: dict = {}
    for program in (name for name in PROGRAMS if name not in (skip or [])):
        figures[program] = _train(program, data, work, steps)
    settings = load_settings("covid-3d-unet")
    forward, _ = forward_operations(build_network(settings), settings.patches.shape or ())
    rates = matrix_rates()
    for program in (name for name in PROGRAMS if name in figures):
        for name, rate in rates.items():
            share = 3.0 * forward / rate / figures[program]["step_seconds_per_patch"]
            figures[program][f"share_of_{name}_peak"] = share
    figures["floor_seconds_per_patch"] = 3.0 * forward / rates["bf16"]
    figures["machine"] = {f"{name}_peak_tflops": rate / 1e12 for name, rate in rates.items()}
    figures["machine"]["precision"] = choose_precision()
    report(figures, json_file)


def _train(program: str, data: Path, work: Path, steps: int) -> dict[str, float]:
    output = work / f"train_{program}.json"
    if program == "miscnn":
        from pneumoseg.pipeline.methods.miscnn.environment import environment

        command = [environment(work / "miscnn"), Path(__file__).with_name("miscnn_train.py"), data, steps, output]
    else:
        command = [sys.executable, Path(__file__).with_name("train_steps.py"), program, work, steps, output]
    peak = measured(command, REPOSITORY, CUDA_VISIBLE_DEVICES="-1")["peak_gb"]
    return json.loads(output.read_text(encoding="utf-8")) | {"peak_gb": peak}


if __name__ == "__main__":
    typer.run(benchmark)
