"""pneumoseg evaluate: scores of masks against reference masks."""

from pathlib import Path
from typing import Annotated

import typer

from scripts.command_line import Json, Output, Overwrite, Quiet, Verbose, command, print_json, run

Reference = Annotated[
    Path,
    typer.Option("--reference", help="Folder of reference masks CASE.nii.gz, or of a dataset.", show_default=False),
]
Prediction = Annotated[
    Path, typer.Option("--prediction", help="Folder of predicted masks CASE.nii.gz.", show_default=False)
]


@command
def evaluate(
    reference: Reference,
    prediction: Prediction,
    output: Output,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
    json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Scores predicted masks against reference masks of the same names, and writes tables and figures.

    Writes metrics.csv (overlap, surface distances and volumes, one row per case and class), final.csv (means over
    cases), summary.json and figures/. Where the reference is a dataset, the figures show its CTs with both masks.

    Example: pneumoseg evaluate --reference data/covid --prediction masks -o scores
    """
    from data_io.atomic import write_json
    from data_io.errors import InputError
    from data_io.labels import LUNG_LABELS
    from data_io.readers import read_labels, read_volume
    from data_io.reporting import log, track
    from evaluation import tables
    from evaluation.figures.box_plots import box_plots
    from evaluation.figures.overlays import overlay_sheet
    from evaluation.figures.saving import save_figure
    from evaluation.pairing import find_pairs
    from evaluation.report import summarise
    from evaluation.scores import score_case

    if (output / "metrics.csv").exists() and not overwrite:
        raise InputError(f"{output}: there are scores already; choose another folder or give --overwrite")
    rows = []
    for pair in track(find_pairs(reference, prediction), "scoring"):
        truth = read_labels(pair.reference, len(LUNG_LABELS))
        found = read_labels(pair.prediction, len(LUNG_LABELS))
        rows += score_case(pair.case, 0, truth, found, LUNG_LABELS)
        if pair.image is not None:
            sheet = overlay_sheet(read_volume(pair.image), truth, found, LUNG_LABELS, pair.case)
            save_figure(sheet, output / "figures" / f"overlay_{pair.case}.png", dpi=100)

    detailed = tables.detailed_table(rows)
    final = tables.final_table(detailed)
    save_figure(box_plots(detailed, "dice"), output / "figures" / "box_plot_dice.png")
    tables.write_csv(final, output / "final.csv")
    write_json(output / "summary.json", summarise(final))
    tables.write_csv(detailed, output / "metrics.csv")  # last: its presence says that all the rest is there
    if json:
        print_json(summarise(final))
    elif not quiet:
        print(tables.result_lines(final))
    log.info("Written to %s", output)


if __name__ == "__main__":
    run(evaluate)
