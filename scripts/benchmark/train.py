"""Training against MIScnn 1.4.0 and plain Keras 3: the same CTs, patches, batch size, network and augmentation.

    python scripts/benchmark/train.py WORK --json train.json [--preset covid-3d-unet] [--skip miscnn] [--steps 4]

WORK is a folder for what is made once, as for batches.py. Each program is a process of its own that trains the network
of the preset: first on one batch again and again (a step: the median), then on batches made on the fly (end to end:
wall-clock seconds of all steps but the first). This program and plain Keras (the same network with Keras's own batch
normalisation) are measured in float32 and, where the processor has it, in bfloat16. MIScnn is measured on the preset
covid-3d-unet alone. The share of the peak compares three times the forward pass's operations with the machine's rate of
matrix products in the same precision.
"""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from pneumoseg.scripts.benchmark.batches import cts_with_masks
from pneumoseg.scripts.benchmark.machine import REPOSITORY, matrix_rates, measured, report

MISCNN_PRESET = "covid-3d-unet"


def benchmark(
    work: Annotated[Path, typer.Argument(help="Folder for CTs, prepared cases and environments.")],
    json_file: Annotated[Path | None, typer.Option("--json", help="Where the figures go.")] = None,
    preset: Annotated[str, typer.Option("--preset", help="Whose network is trained.")] = MISCNN_PRESET,
    skip: Annotated[list[str] | None, typer.Option("--skip", help="keras or miscnn; may be repeated.")] = None,
    steps: Annotated[int, typer.Option("--steps", min=2, help="Steps of each kind, after one that warms up.")] = 4,
) -> None:
    """Measures a training step, and data and step together, in seconds a patch."""
    from pneumoseg.pipeline.networks.operations import forward_operations
    from pneumoseg.pipeline.networks.registry import build_network
    from pneumoseg.pipeline.runtime.hardware import has_bfloat16
    from pneumoseg.pipeline.settings.loading import load_settings

    work, skip = work.resolve(), skip or []
    data = cts_with_masks(work)
    policies = ("float32", "mixed_bfloat16") if has_bfloat16() else ("float32",)
    programs = [(program, policy) for policy in policies for program in ("pneumoseg", "keras") if program not in skip]
    if preset == MISCNN_PRESET and "miscnn" not in skip:
        programs.append(("miscnn", "float32"))
    figures: dict = {}
    for program, policy in programs:
        name = f"{program} {policy.removeprefix('mixed_')}"
        figures[name] = _train(program, policy, preset=preset, data=data, work=work, steps=steps)
    settings = load_settings(preset)
    forward, _ = forward_operations(build_network(settings), settings.patches.shape or ())
    rates = matrix_rates()
    for name, one in figures.items():
        one["share_of_peak"] = 3.0 * forward / rates[name.split()[-1]] / one["step_seconds_per_patch"]
    figures["machine"] = {f"{name}_peak_tflops": rate / 1e12 for name, rate in rates.items()}
    report(figures, json_file)


def _train(program: str, policy: str, *, preset: str, data: Path, work: Path, steps: int) -> dict[str, float]:
    output = work / f"train_{program}.json"
    if program == "miscnn":
        from pneumoseg.pipeline.methods.miscnn.environment import environment

        command = [environment(work / "miscnn"), Path(__file__).with_name("miscnn_train.py"), data, steps, output]
    else:
        script = Path(__file__).with_name("train_steps.py")
        command = [sys.executable, script, program, preset, policy, work, steps, output]
    peak = measured(command, REPOSITORY, CUDA_VISIBLE_DEVICES="-1")["peak_gb"]
    return json.loads(output.read_text(encoding="utf-8")) | {"peak_gb": peak}


if __name__ == "__main__":
    typer.run(benchmark)
