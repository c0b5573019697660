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
    networks for whole studies also get studies.csv: AUC with the test of DeLong, agreement of scores.

    Example: pneumoseg compare runs/baseline runs/wider -o comparison
    """
    from pneumoseg.data_io.console import log
    from pneumoseg.evaluation.experiments.run_comparison import (
        are_studies,
        compare_runs,
        compare_study_runs,
        comparison_content,
        runs_by_name,
        write_comparison,
    )
    from pneumoseg.evaluation.scoring.comparison import readable
    from pneumoseg.evaluation.scoring.mask_columns import MASK_COLUMNS
    from pneumoseg.evaluation.scoring.study_columns import STUDY_COLUMNS
    from pneumoseg.evaluation.scoring.study_comparison import study_comparison_lines

    named = runs_by_name(runs)
    of_studies = are_studies(named)
    comparison = compare_runs(named, score, columns=STUDY_COLUMNS if of_studies else MASK_COLUMNS)
    studies = compare_study_runs(named) if of_studies else None
    for name, path in named.items():
        log.info("%s: %s", name, path)
    if output is not None:
        write_comparison(comparison, output, studies=studies, overwrite=overwrite)
    if json:
        content = comparison_content(comparison, studies)
        print_json({"runs": {name: str(path) for name, path in named.items()}, **content})
    elif not quiet:
        print(readable(comparison))
        if studies is not None:
            print(f"\n{study_comparison_lines(studies)}")
    if output is not None:
        log.info("Written to %s", output)


if __name__ == "__main__":
    run(compare)
