"""MIScnn 1.4.0 and this program, trained for the same wall-clock minutes on the same cores, on one fold.

    python scripts/benchmark/equal_budget.py DATA -o DIR --preset recipe.yaml --minutes 25 --json budget.json \\
        --miscnn "published: training.steps_per_epoch=5" \\
        --miscnn "small: preprocessing.spacing_mm=[2.8,2.8,3.0] patches.shape=[128,128,16]"

How many epochs fit is measured first, by a training of two epochs (the first pays for the start). `--miscnn`: a name
and what differs from the preset `miscnn`, the configuration published for COVID-19 CTs; several may be given.
"""

import subprocess
import sys
from pathlib import Path
from typing import Annotated

import pandas as pd
import typer

from pipeline.configuration import load_settings
from scripts.benchmark.ablation import CLASSES, folder_name, parse_variant
from scripts.benchmark.machine import report

OWN = "pneumoseg"


def equal_budget(
    data: Annotated[Path, typer.Argument(help="Data set, as of `pneumoseg kfold`.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder of the runs.")],
    preset: Annotated[str, typer.Option("--preset", help="This program's recipe.")],
    minutes: Annotated[float, typer.Option("--minutes", help="Of training, for each.")],
    miscnn: Annotated[list[str], typer.Option("--miscnn", help='"NAME: SETTING=VALUE ...".')],
    environment: Annotated[Path | None, typer.Option("--environment", help="Where MIScnn is installed.")] = None,
    fold: Annotated[int, typer.Option("--fold")] = 0,
    json_file: Annotated[Path | None, typer.Option("--json", help="Where the figures go.")] = None,
) -> None:
    """Trains each as long as the budget allows and measures the fold's test cases."""
    commands = {OWN: ["scripts.kfold", "--preset", preset]}
    place = ["--environment", str(environment)] if environment else []
    # The same cases for all, whatever their settings say of splits and seeds.
    splits = ["--splits", str(output / f"{OWN}-trial" / "splits.json")]
    for name, changes in map(parse_variant, miscnn):
        settings = [part for change in changes for part in ("--set", change)]
        commands[f"miscnn {name}"] = ["scripts.miscnn", *place, *splits, *settings]
    figures = {}
    for name, command in commands.items():
        run = output / folder_name(name)
        module, *options = command
        start = [sys.executable, "-m", module, str(data), *options, "--fold", str(fold)]
        trial = _trained([*start, "-o", f"{run}-trial", "--set", "training.epochs=2"], Path(f"{run}-trial"), fold)
        epochs = max(1, int(60 * minutes / trial["seconds"].iloc[-1]))
        history = _trained([*start, "-o", str(run), "--set", f"training.epochs={epochs}"], run, fold)
        scores = pd.read_csv(run / f"fold_{fold}" / "metrics.csv")
        dice = scores.groupby("class")["dice"].mean()
        figures[name] = {
            "steps": len(history) * load_settings(str(run / "settings.yaml")).training.steps_per_epoch,
            "minutes": round(float(history["seconds"].sum()) / 60, 2),
            **{f"{column}_dice": round(float(dice[column]), 4) for column in CLASSES},
        }
    report(figures, json_file)


def _trained(command: list[str], run: Path, fold: int) -> pd.DataFrame:
    """The history of a training; one that is finished is not repeated."""
    subprocess.run([*command, "--resume"], check=True)
    return pd.read_csv(run / f"fold_{fold}" / "history.csv")


if __name__ == "__main__":
    typer.run(equal_budget)
