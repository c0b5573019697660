"""MIScnn 1.4.0 and this program, trained for the same wall-clock minutes on the same cores, on one fold.

    python scripts/benchmark/equal_budget.py DATA -o DIR --preset covid-3d-unet-cpu --json budget.json \\
        --miscnn "published: training.steps_per_epoch=3" \\
        --miscnn "small: preprocessing.spacing_mm=[2.8,2.8,3.0] patches.shape=[128,128,16]"

This program trains as long as its preset says; its minutes are the budget of the others. How many of their epochs fit
is measured by a trial that ends after its second epoch (the first pays for the start). `--miscnn`: a name, and changes
to the preset `miscnn`, the configuration published for COVID-19 CTs; several may be given. What is finished in DIR
is kept, so an interrupted comparison goes on.
"""

import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from pneumoseg.data_io.storage.csv_files import read_table
from pneumoseg.pipeline.settings.loading import load_settings
from pneumoseg.scripts.benchmark.ablation import CLASSES, folder_name, parse_variant
from pneumoseg.scripts.benchmark.machine import report

THIS_PROGRAM = "pneumoseg"
SECOND_EPOCH = re.compile(r"epoch 2/.*?seconds ([\d.]+)")


def equal_budget(
    data: Annotated[Path, typer.Argument(help="Data set, as of `pneumoseg kfold`.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder of the runs.")],
    preset: Annotated[str, typer.Option("--preset", help="This program's recipe.")],
    miscnn: Annotated[list[str], typer.Option("--miscnn", help='"NAME: SETTING=VALUE ...".')],
    environment: Annotated[Path | None, typer.Option("--environment", help="Where MIScnn is installed.")] = None,
    fold: Annotated[int, typer.Option("--fold")] = 0,
    json_file: Annotated[Path | None, typer.Option("--json", help="Where the figures go.")] = None,
) -> None:
    """Trains each as long as this program's preset takes and measures the fold's test cases."""
    start = [sys.executable, "-m"]
    cases = [str(data), "--fold", str(fold)]
    run = output / THIS_PROGRAM
    splits = run / "splits.json"
    _complete([*start, "pneumoseg.scripts.kfold", *cases, "--preset", preset], run)
    figures = {THIS_PROGRAM: measure(run, fold)}
    # The same test cases for all, whatever their settings say of splits and seeds.
    cases += ["--splits", str(splits), *(("--environment", str(environment)) if environment else ())]
    for name, changes in map(parse_variant, miscnn):
        run = output / folder_name(f"miscnn {name}")
        command = [
            *start,
            "pneumoseg.scripts.miscnn",
            *cases,
            *(part for change in changes for part in ("--set", change)),
        ]
        if (run / "settings.yaml").is_file():
            epochs = load_settings(str(run / "settings.yaml")).training.epochs
        else:
            epochs = max(
                1, round(60 * figures[THIS_PROGRAM]["minutes"] / seconds_of_epoch(command, Path(f"{run}-trial")))
            )
        _complete([*command, "--set", f"training.epochs={epochs}"], run)
        figures[f"miscnn {name}"] = measure(run, fold)
    report(figures, json_file)


def measure(run: Path, fold: int) -> dict[str, float]:
    """Steps and minutes of the training of a fold, and the mean Dice of each class over its test cases."""
    history = read_table(run / f"fold_{fold}" / "history.csv")
    dice = read_table(run / f"fold_{fold}" / "metrics.csv").groupby("class")["dice"].mean()
    return {
        "steps": len(history) * load_settings(str(run / "settings.yaml")).training.steps_per_epoch,
        "minutes": round(float(history["seconds"].sum()) / 60, 2),
        **{f"{column}_dice": round(float(dice[column]), 4) for column in CLASSES},
    }


def seconds_of_epoch(command: list[str], run: Path) -> float:
    """Seconds of the second epoch of a training into `run`, which is stopped then."""
    shutil.rmtree(run, ignore_errors=True)
    command = [*command, "-o", str(run), "--set", "training.epochs=2"]
    with subprocess.Popen(command) as process:
        while process.poll() is None:
            time.sleep(1)
            epoch = SECOND_EPOCH.search(_text(run / "log.txt"))
            if epoch:
                process.terminate()
                return float(epoch[1])
    raise subprocess.CalledProcessError(process.returncode, command)


def _complete(command: list[str], run: Path) -> None:
    """Runs a cross-validation into `run`, or what is left of it."""
    subprocess.run([*command, "-o", str(run), "--resume"], check=True)


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.is_file() else ""


if __name__ == "__main__":
    typer.run(equal_budget)
