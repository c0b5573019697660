"""pneumoseg metric-comparison: runs trained for different scores, each under every score."""

from pathlib import Path
from typing import Annotated

import typer

from pneumoseg.scripts.shared.command import command, run
from pneumoseg.scripts.shared.options import Json, Output, Overwrite, Quiet, Verbose
from pneumoseg.scripts.shared.printing import print_json

Runs = Annotated[
    list[Path], typer.Argument(metavar="RUN...", help="Folders of finished runs of masks.", show_default=False)
]


@command
def metric_comparison(
    runs: Runs,
    output: Output,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
    json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Shows runs that were trained for different scores in one table: loss, minutes, scores of training, validation
    and test, splits, and each run under every score, as mean over cases and pooled over all pixels.

    Writes metric_comparison.csv (one row per run), scores.csv (one row per run and class), figures/training_curves.png
    and metric_comparison.html. For tests of paired differences: pneumoseg compare.

    Example: pneumoseg metric-comparison runs/accuracy runs/iou runs/dice -o metrics
    """
    from pneumoseg.data_io.console import log
    from pneumoseg.evaluation.experiments.metric_comparison import (
        check_output,
        compare_metrics,
        write_metric_comparison,
    )
    from pneumoseg.evaluation.experiments.run_comparison import runs_by_name
    from pneumoseg.evaluation.report.metric_page import score_cells, training_cells
    from pneumoseg.evaluation.scoring.tables import aligned, rows_of

    check_output(output, overwrite)
    comparison = compare_metrics(runs_by_name(runs))
    write_metric_comparison(comparison, output, overwrite=overwrite)
    if json:
        print_json({"trainings": rows_of(comparison.trainings), "scores": rows_of(comparison.scores)})
    elif not quiet:
        print("\n".join(aligned(training_cells(comparison.trainings), 4)))
        print()
        print("\n".join(aligned(score_cells(comparison.scores), 5)))
    log.info("Written to %s", output)


if __name__ == "__main__":
    run(metric_comparison)
