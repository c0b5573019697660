"""pneumoseg compare: finished runs against the first of them, case by case."""

from pathlib import Path
from typing import Annotated

import typer

from pneumoseg.scripts.shared.command import command, run
from pneumoseg.scripts.shared.options import Json, Overwrite, Quiet, Verbose
from pneumoseg.scripts.shared.printing import print_json

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
    score and class), cases.csv (one row per case, what moved most first) and figures/differences_SCORE.png. Runs of
    networks for whole studies: AUC with the test of DeLong, agreement of scores; comparison.csv alone.

    Example: pneumoseg compare runs/baseline runs/wider -o comparison
    """
    from pneumoseg.data_io.console import log
    from pneumoseg.evaluation.experiments.run_comparison import (
        compare_runs,
        comparison_content,
        rows_of,
        runs_by_name,
        write_comparison,
    )
    from pneumoseg.evaluation.experiments.study_runs import compare_study_runs, holds_studies, write_study_comparison
    from pneumoseg.evaluation.scoring.comparison import readable
    from pneumoseg.evaluation.scoring.study_comparison import study_comparison_lines

    named = runs_by_name(runs)
    if any(map(holds_studies, runs)):
        table = compare_study_runs(named, score)
        content, lines = {"summary": rows_of(table)}, study_comparison_lines(table)
        if output is not None:
            write_study_comparison(table, output, overwrite=overwrite)
    else:
        comparison = compare_runs(named, score)
        content, lines = comparison_content(comparison), readable(comparison)
        if output is not None:
            write_comparison(comparison, output, overwrite=overwrite)
    for name, path in named.items():
        log.info("%s: %s", name, path)
    if json:
        print_json({"runs": {name: str(path) for name, path in named.items()}, **content})
    elif not quiet:
        print(lines)
    if output is not None:
        log.info("Written to %s", output)


if __name__ == "__main__":
    run(compare)
