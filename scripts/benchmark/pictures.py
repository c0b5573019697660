"""Seconds and memory of predicting pictures: a batch of each size by one command.

    python scripts/benchmark/pictures.py WORK --json pictures.json [--count 50 --count 1000] [--model covid-picture]

WORK gets generated pictures of 512 x 512 pixels. Seconds are those of the whole command but for its start and the
opening of the model, taken from a batch of one picture; memory is the peak of its process.
"""

import sys
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from pneumoseg.scripts.benchmark.machine import REPOSITORY, measured, report

SIZE = 512


def benchmark(
    work: Annotated[Path, typer.Argument(help="Folder for the pictures and masks.")],
    counts: Annotated[list[int] | None, typer.Option("--count", help="Pictures of a batch; may be repeated.")] = None,
    model: Annotated[str, typer.Option("--model", help="A model for pictures.")] = "covid-picture",
    output: Annotated[Path | None, typer.Option("--json", help="Where the result goes.")] = None,
) -> None:
    """Predicts one picture, then batches of each size."""
    work = work.resolve()
    counts = counts or [50, 1000]
    _predict(work, 1, model)  # converts and times the network once
    alone = _predict(work, 1, model)
    result = {"one": alone}
    for count in counts:
        batch = _predict(work, count, model)
        result[str(count)] = batch | {"seconds_a_picture": (batch["seconds"] - alone["seconds"]) / (count - 1)}
    report(result, output)


def _predict(work: Path, count: int, model: str) -> dict[str, float]:
    pictures = _pictures(work / f"pictures_{count}", count)
    command = [sys.executable, "-m", "pneumoseg.scripts.cli", "predict", pictures, "-o", work / f"masks_{count}"]
    return measured([*command, "--model", model, "--overwrite", "--quiet"], REPOSITORY)


def _pictures(folder: Path, count: int) -> Path:
    """Blurred noise, which no two pictures share."""
    from PIL import Image
    from scipy import ndimage

    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        path = folder / f"picture_{number:04d}.png"
        if not path.is_file():
            noise = ndimage.gaussian_filter(np.random.default_rng(number).normal(size=(SIZE, SIZE)), 12)
            noise = (noise - noise.min()) / np.ptp(noise)
            Image.fromarray((255 * noise).astype(np.uint8)).save(path)
    return folder


if __name__ == "__main__":
    typer.run(benchmark)
