"""Whether the measured choice of precision is the fastest: three networks, two tiles, one and two threads.

    python scripts/benchmark/precisions.py WORK --csv precisions.csv [--calls 7]

WORK is as for predict.py; the two networks of the bundled model are copied there. For each combination the program
chooses a precision, then each possible precision is timed by itself, all taking turns: medians over the calls.
`loss` is how much longer a tile takes in the chosen precision than in the fastest.
"""

import shutil
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import pandas as pd
import typer

from pneumoseg.scripts.benchmark.machine import precisions
from pneumoseg.scripts.benchmark.predict import wide_model

SMALL_TILES, LARGE_TILES = ([128, 128, 16], [96, 96, 32]), ([160, 160, 80], [128, 128, 32])
THREADS = (1, 2)


def benchmark(
    work: Annotated[Path, typer.Argument(help="Folder for the models.")],
    csv: Annotated[Path | None, typer.Option("--csv", help="Where the table goes.")] = None,
    calls: Annotated[int, typer.Option("--calls", min=3, help="Timed calls of each precision.")] = 7,
) -> None:
    """Compares the choice with every fixed precision."""
    rows = [
        _measure(name, model, tile, threads, calls)
        for name, (model, tiles) in _models(work.resolve()).items()
        for tile in tiles
        for threads in THREADS
    ]
    table = pd.DataFrame(rows)
    if csv is not None:
        table.to_csv(csv, index=False, float_format="%.4g")
    print(table.to_string(index=False, float_format=lambda value: f"{value:.4g}"))


def _models(work: Path) -> dict[str, tuple[Path, Sequence[list[int]]]]:
    from pneumoseg.pipeline.models.bundled import bundled_model

    models: dict[str, tuple[Path, Sequence[list[int]]]] = {}
    for fold, name in enumerate(("standard", "plain")):
        folder = work / name
        if not folder.is_dir():
            shutil.copytree(bundled_model() / f"fold_{fold}", folder)
        models[name] = (folder / "model.keras", SMALL_TILES)
    models["22.6 million weights"] = (wide_model(work), LARGE_TILES)
    return models


def _measure(name: str, model: Path, tile: list[int], threads: int, calls: int) -> dict:
    import numpy as np

    from pneumoseg.pipeline.models.model_file import read_settings
    from pneumoseg.pipeline.prediction.engines import open_engine
    from pneumoseg.pipeline.runtime.timing import timed
    from pneumoseg.pipeline.settings.loading import change_settings

    settings = change_settings(read_settings(model), [f"patches.shape={tile}"], name)
    choice = open_engine([model], settings, threads=threads).precision
    networks = {
        precision: open_engine([model], settings, precision=precision, threads=threads).network
        for precision in precisions()
    }
    image = np.random.default_rng(0).normal(size=(1, *tile, 1)).astype(np.float32)
    rounds = [{precision: timed(network, image)[1] for precision, network in networks.items()} for _ in range(calls)]
    seconds: dict[str, float] = {name: statistics.median(one[name] for one in rounds) for name in networks}
    loss = seconds[choice] / min(seconds.values()) - 1.0
    where = {"network": name, "tile": "x".join(map(str, tile)), "threads": threads}
    return where | seconds | {"choice": choice, "loss": loss}


if __name__ == "__main__":
    typer.run(benchmark)
