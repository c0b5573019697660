"""A recipe against the same recipe with one ingredient changed, all trained equally long on the same folds.

    python scripts/benchmark/ablation.py DATA -o DIR --preset recipe.yaml --budget training.epochs=10 \\
        --variant "no moving average: training.average_decay=null" --fold 0 --fold 1

Each variant is a `pneumoseg kfold` with its own run folder in DIR, named after it; one that was interrupted goes on
where it stopped. Afterwards DIR/ablation.csv holds one row per variant: mean Dice over the cases of those folds, and
the mean difference from the recipe, case by case.
"""

import re
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import pandas as pd
import typer

from pneumoseg.data_io.storage.csv_files import read_table

RECIPE = "recipe"
CLASSES = ("lung_left", "lung_right", "lungs", "infection")


def ablation(
    data: Annotated[Path, typer.Argument(help="Data set, as of `pneumoseg kfold`.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder of the runs and the table.")],
    preset: Annotated[str, typer.Option("--preset", help="The recipe.")],
    variant: Annotated[list[str], typer.Option("--variant", help='"NAME: SETTING=VALUE SETTING=VALUE"')],
    budget: Annotated[list[str] | None, typer.Option("--budget", help="Settings of all runs.")] = None,
    fold: Annotated[list[int] | None, typer.Option("--fold", help="Folds to train.")] = None,
) -> None:
    """Trains the recipe and its variants, and writes the table."""
    folds = [str(number) for number in fold or (0, 1)]
    chosen = [(RECIPE, []), *map(parse_variant, variant)]
    if len({folder_name(name) for name, _ in chosen}) < len(chosen):
        raise typer.BadParameter(f"variants need names of their own (not {RECIPE}), which are their folders too")
    tables = {}
    for name, changes in chosen:
        run = output / folder_name(name)
        settings = [part for change in (*(budget or ()), *changes) for part in ("--set", change)]
        which = [part for number in folds for part in ("--fold", number)]
        command = ["-m", "pneumoseg.scripts.kfold", data, "-o", run, "--preset", preset, *settings, *which, "--resume"]
        subprocess.run([sys.executable, *map(str, command)], check=True)
        scores = [read_table(run / f"fold_{number}" / "metrics.csv") for number in folds]
        tables[name] = pd.concat(scores)
    table = compare(tables)
    table.to_csv(output / "ablation.csv", index=False, float_format="%.4f")
    print(table.to_string(index=False, float_format="%.3f"))


def folder_name(name: str) -> str:
    """The name of a variant as that of a folder."""
    return re.sub(r"\W+", "-", name)


def parse_variant(text: str) -> tuple[str, list[str]]:
    """The name and the changed settings of "NAME: SETTING=VALUE SETTING=VALUE"."""
    name, colon, changes = text.partition(":")
    parts = changes.split()
    if not colon or not parts or not all("=" in part for part in parts):
        raise typer.BadParameter(f'--variant "{text}": expected "NAME: SETTING=VALUE ..."')
    return name.strip(), parts


def compare(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """One row per variant: mean Dice of each class, and the mean difference from the first, over the same cases."""
    dice = {name: table.pivot(index="case", columns="class", values="dice") for name, table in tables.items()}
    first = next(iter(dice.values()))
    rows = []
    for name, variant in dice.items():
        means = {f"{column}_dice": variant[column].mean() for column in CLASSES}
        gains = {f"{column}_difference": (variant[column] - first[column]).mean() for column in ("lungs", "infection")}
        rows.append({"variant": name, "cases": len(variant), **means, **gains})
    return pd.DataFrame(rows)


if __name__ == "__main__":
    typer.run(ablation)
