"""`pneumoseg severity`: how much of the lungs is infected, and which severity that is called."""

from pathlib import Path
from typing import Annotated

import typer

from pneumoseg.scripts.shared.command_line import (
    Grid,
    Json,
    Output,
    Overwrite,
    Quiet,
    Verbose,
    command,
    print_json,
    run,
)

Masks = Annotated[
    Path,
    typer.Argument(
        metavar="MASKS", help="A mask (NIfTI, NRRD, MetaImage), a folder of masks, or a dataset.", show_default=False
    ),
]
Images = Annotated[
    Path | None, typer.Option("--images", help="CT or folder of CTs, with the names of the masks.", show_default=False)
]
Lobes = Annotated[
    Path | None,
    typer.Option(
        "--lobes", help="Lobe mask (labels 1..5) or folder of them, with the names of the masks.", show_default=False
    ),
]


@command
def severity(
    masks: Masks,
    output: Output,
    images: Images = None,
    lobes: Lobes = None,
    grid: Grid = None,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
    json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Grade masks: infected volume and percent per lung, category, CT severity scores. For research only, no diagnosis.

    Writes severity.csv, severity.json (with the definition of each column) and figures/severity.png. Facts in HU need
    the CTs, the CTSI by lobes needs lobe masks; of a dataset, its own CTs are taken.

    Example: pneumoseg severity masks/ --images cts/ -o severity/
    """
    import pandas as pd

    from pneumoseg.data_io.console import log, track
    from pneumoseg.data_io.datasets.dataset import named
    from pneumoseg.data_io.datasets.inputs import find_inputs
    from pneumoseg.data_io.errors import InputError
    from pneumoseg.data_io.formats.nifti_placement import grid_form
    from pneumoseg.data_io.formats.reading import read_labels, read_volume
    from pneumoseg.data_io.storage.atomic import write_json
    from pneumoseg.data_io.storage.csv_files import write_table
    from pneumoseg.data_io.volumes.labels import LUNG_LABELS
    from pneumoseg.evaluation.figures.saving import save_figure
    from pneumoseg.evaluation.figures.severity import severity_figure
    from pneumoseg.evaluation.measures.severity import DEFINITIONS, LOBES, RESEARCH_ONLY
    from pneumoseg.evaluation.measures.severity import severity as grade
    from pneumoseg.evaluation.scoring.pairing import files_of, find_masks, masks_given

    form = grid_form(grid)
    table_path = output / "severity.csv"
    if table_path.exists() and not overwrite:
        raise InputError(f"{table_path}: exists already; choose another folder or give --overwrite")
    mask_of = find_masks(masks)
    image_of = {case: mask.image for case, mask in mask_of.items() if mask.image is not None}
    if images is not None:
        image_of |= files_of(mask_of, images, find_inputs([images]), what="CT")
    lobes_of: dict[str, Path] = {}
    if lobes is not None:
        lobe_masks = {case: mask.path for case, mask in masks_given(lobes).items()}
        lobes_of = files_of(mask_of, lobes, lobe_masks, what="lobe mask")
    rows = []
    for case, given in track(mask_of.items(), "grading", total=len(mask_of)):
        mask = read_labels(given.path, LUNG_LABELS, label_names=given.label_names, grid=form)
        image = read_volume(image_of[case], grid=form) if case in image_of else None
        lobe_mask = read_labels(lobes_of[case], LOBES + 1, grid=form) if case in lobes_of else None
        with named(case):
            row = grade(mask, image, LUNG_LABELS, lobes=lobe_mask)
        missing = [
            f"no {what} of this name"
            for what, option, files in (("CT", images, image_of), ("lobe mask", lobes, lobes_of))
            if option is not None and case not in files
        ]
        remarks = "; ".join(filter(None, [str(row["remarks"]), *missing]))
        rows.append({"case": case, **row, "remarks": remarks})

    table = pd.DataFrame(rows)
    content = {"use": RESEARCH_ONLY, "definitions": DEFINITIONS, "cases": rows}
    write_json(output / "severity.json", content)
    save_figure(severity_figure(table), output / "figures" / "severity.png")
    write_table(table, table_path)  # last: its presence says that all the rest is there
    if json:
        print_json(content)
    elif not quiet:
        print(_readable(rows))
    log.info("Written to %s", output)


def _readable(rows: list[dict]) -> str:
    """The rows as a table for the terminal: percents, category and scores, then the remarks."""
    from pneumoseg.evaluation.measures.severity import RESEARCH_ONLY
    from pneumoseg.evaluation.scoring.tables import aligned, decimals

    columns = {
        "infected_percent": "infected %", "infected_percent_left": "left %", "infected_percent_right": "right %",
        "infection_ml": "infection ml", "category": "category", "ctsi_percent_over_4": "percent/4",
        "ctsi_thirds": "thirds", "ctsi": "ctsi",
    }  # fmt: skip
    lines = [["case", *columns.values()]]
    remarked: dict[str, list[str]] = {}
    for row in rows:
        cells = [row[column] for column in columns]
        lines.append([row["case"], *(cell if isinstance(cell, str) else decimals(cell, 1) for cell in cells)])
        if row["remarks"]:
            remarked.setdefault(row["remarks"], []).append(row["case"])
    text = aligned(lines)
    text += [f"{', '.join(cases)}: {remark}" for remark, cases in remarked.items()]
    return "\n".join([*text, RESEARCH_ONLY])


if __name__ == "__main__":
    run(severity)
