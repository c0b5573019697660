"""`pneumoseg severity`: how much of the lungs is infected, and which severity that is called."""

from pathlib import Path
from typing import Annotated

import typer

from pneumoseg.scripts.shared.command import command, run
from pneumoseg.scripts.shared.options import Grid, Json, Output, Overwrite, Quiet, Verbose
from pneumoseg.scripts.shared.printing import print_json

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
    the CTs, the CTSI by lobes needs lobe masks; of a dataset, its CTs are taken.

    Example: pneumoseg severity masks/ --images cts/ -o severity/
    """
    from pneumoseg.data_io.console import log
    from pneumoseg.evaluation.experiments.mask_grading import (
        check_output,
        grade_masks,
        grading_content,
        readable,
        write_grading,
    )

    check_output(output, overwrite)
    rows = grade_masks(masks, images=images, lobes=lobes, grid=grid or "sform")
    write_grading(rows, output, overwrite=overwrite)
    if json:
        print_json(grading_content(rows))
    elif not quiet:
        print(readable(rows))
    log.info("Written to %s", output)


if __name__ == "__main__":
    run(severity)
