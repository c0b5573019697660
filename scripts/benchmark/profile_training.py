"""Where the time of a training step goes, by kind of operation, as oneDNN (TensorFlow's kernels on processors) reports.

    python scripts/benchmark/profile_training.py WORK --csv profile.csv [--preset covid-3d-unet]

WORK is as for batches.py. Operations run side by side, so that their sum may exceed the step's time by the clock. What
TensorFlow computes without oneDNN (the loss, copies, the optimiser) is not in the table.
"""

import os
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path
from typing import Annotated

import pandas as pd
import typer

BEGIN, END = "measured step begins", "measured step took"


def profile(
    work: Annotated[Path, typer.Argument(help="Folder for CTs and prepared cases.")],
    csv: Annotated[Path | None, typer.Option("--csv", help="Where the table goes.")] = None,
    preset: Annotated[str, typer.Option("--preset")] = "covid-3d-unet",
    step_alone: Annotated[bool, typer.Option("--step-alone", hidden=True)] = False,
) -> None:
    """Runs one step that warms up and one that is measured."""
    if step_alone:
        _step(work.resolve(), preset)
        return
    command = [sys.executable, __file__, str(work.resolve()), "--preset", preset, "--step-alone"]
    variables = {"ONEDNN_VERBOSE": "1", "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
    environment = os.environ | variables
    lines = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()
    first = lines.index(BEGIN)
    last = next(index for index, line in enumerate(lines) if line.startswith(END))
    whole = float(lines[last].rpartition(" ")[2])
    seconds: dict[tuple[str, str], float] = defaultdict(float)
    for line in lines[first:last]:
        fields = line.split(",")
        # onednn_verbose,v1,primitive,exec,cpu,convolution,IMPLEMENTATION,forward_training,...,milliseconds
        if fields[0] == "onednn_verbose" and "exec" in fields:
            kind = fields.index("exec") + 2
            seconds[fields[kind], fields[kind + 2]] += float(fields[-1]) / 1000.0
    everything = sum(seconds.values())
    rows = [(kind, direction, value, value / everything) for (kind, direction), value in seconds.items()]
    rows = [*sorted(rows, key=lambda row: -row[2]), ("all of these", "", everything, 1.0)]
    rows.append(("the step, by the clock", "", whole, float("nan")))
    table = pd.DataFrame(rows, columns=["operation", "direction", "seconds", "share"])
    if csv is not None:
        table.to_csv(csv, index=False, float_format="%.4g")
    print(table.to_string(index=False, float_format=lambda value: f"{value:.3g}"))


def _step(work: Path, preset: str) -> None:
    from pneumoseg.pipeline.sampling import batches
    from pneumoseg.pipeline.settings.loading import load_settings
    from pneumoseg.pipeline.training.step import make_trainer
    from pneumoseg.scripts.benchmark.batches import prepared_cases

    settings = load_settings(preset)
    trainer = make_trainer(settings)
    batch = batches.make_batch(prepared_cases(work, settings), settings, 0, step=0)
    trainer.train(batch, settings.training.learning_rate)
    print(f"\n{BEGIN}", flush=True)
    started = time.perf_counter()
    trainer.train(batch, settings.training.learning_rate)
    print(f"\n{END} {time.perf_counter() - started}", flush=True)


if __name__ == "__main__":
    typer.run(profile)
