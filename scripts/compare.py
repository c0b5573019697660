"""pneumoseg compare: finished runs against the first of them, case by case."""

import os
from pathlib import Path
from typing import Annotated

import typer

from pneumoseg.scripts.shared.command_line import Json, Overwrite, Quiet, Verbose, command, print_json, run

Runs = Annotated[
    list[Path],
    typer.Argument(
        metavar="RUN_A RUN_B [RUN_C...]",
        help="Run folders, folders of `evaluate` or CSV files of scores; the first is the baseline.",
        show_default=False,
    ),
]
Output = Annotated[Path | None, typer.Option("-o", "--output", help="Also write tables and figures to this folder.")]
Scores = Annotated[list[str] | None, typer.Option("--score", help="Only this score; may be repeated.")]

TABLES = ("cv_results.detailed.csv", "metrics.csv")


@command
def compare(
    runs: Runs,
    output: Output = None,
    score: Scores = None,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
    json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Compares runs with the first one: differences case by case, their intervals and tests.

    Scores are Dice, surface Dice and HD95 unless others are chosen. With -o, writes comparison.csv (one row per run,
    score and class), cases.csv (one row per case, what moved most first) and figures/differences_SCORE.png.

    Example: pneumoseg compare runs/baseline runs/wider -o comparison
    """
    from pneumoseg.data_io.console import log
    from pneumoseg.data_io.errors import InputError
    from pneumoseg.data_io.storage.csv_files import write_table
    from pneumoseg.evaluation.figures.differences import difference_plot
    from pneumoseg.evaluation.figures.saving import save_figure
    from pneumoseg.evaluation.scoring import comparison
    from pneumoseg.evaluation.scoring.tables import read_detailed

    if (
        output is not None
        and not overwrite
        and any((output / name).exists() for name in ("comparison.csv", "cases.csv"))
        and not _is_unfinished(output)
    ):
        raise InputError(f"{output}: there is a comparison already; choose another folder or give --overwrite")
    named = _named(runs)
    tables = {name: read_detailed(_scores_of(path)) for name, path in named.items()}
    found = comparison.compare(tables, score or None)
    for name, path in named.items():
        log.info("%s: %s", name, path)
    if output is not None:
        for old in (output / "figures").glob("differences_*.png"):
            old.unlink()  # of a comparison that had other scores
        for compared in found.summary["score"].unique():
            save_figure(difference_plot(found, compared), output / "figures" / f"differences_{compared}.png")
        write_table(found.cases, output / "cases.csv")
        write_table(found.summary, output / "comparison.csv")  # last: its presence says that all the rest is there
    if json:
        contents = {"summary": _records(found.summary), "cases": _records(found.cases)}
        print_json({"runs": {name: str(path) for name, path in named.items()}, **contents})
    elif not quiet:
        print(comparison.readable(found))
    if output is not None:
        log.info("Written to %s", output)


def _is_unfinished(output: Path) -> bool:
    """Whether a comparison was killed there, before its last file."""
    drawn = any((output / "figures").glob("differences_*.png"))
    return drawn and (output / "cases.csv").is_file() and not (output / "comparison.csv").exists()


def _named(runs: list[Path]) -> dict[str, Path]:
    """Runs by the name of their folder, of a CSV of another name by that; the second "a" becomes "a (2)"."""
    named: dict[str, Path] = {}
    for path in runs:
        whole = Path(os.path.abspath(path))
        plain = whole.parent.name if whole.name in TABLES else whole.stem if whole.suffix == ".csv" else whole.name
        name, number = plain, 1
        while name in named:
            number += 1
            name = f"{plain} ({number})"
        named[name] = path
    return named


def _scores_of(path: Path) -> Path:
    from pneumoseg.data_io.errors import InputError

    if not path.is_dir():
        return path
    for table in TABLES:
        if (path / table).is_file():
            return path / table
    finished = sorted(table.parent.name for table in path.glob("fold_*/metrics.csv"))
    hint = f"folds are missing, name one of {', '.join(finished)} in it" if finished else "finish the run first"
    raise InputError(f"{path}: a run has {' or '.join(TABLES)}, found neither; {hint}")


def _records(table) -> list[dict]:
    """Rows for JSON: plain numbers and text, None in place of NaN."""
    return table.astype(object).where(table.notna(), None).to_dict("records")


if __name__ == "__main__":
    run(compare)
