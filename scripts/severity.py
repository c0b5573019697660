"""`pneumoseg severity`: how much of the lungs is infected, and which severity that is called."""

from pathlib import Path
from typing import Annotated

import typer

from pneumoseg.scripts.shared.command import command, run, value_of
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
GroundGlass = Annotated[
    tuple[float, float] | None,
    typer.Option(
        "--ground-glass-hu", metavar="LOW HIGH", help="HU of ground glass in the infection.", show_default="-750 -300"
    ),
]
Consolidation = Annotated[
    tuple[float, float] | None,
    typer.Option(
        "--consolidation-hu", metavar="LOW HIGH", help="HU of consolidation in the infection.", show_default="-300 50"
    ),
]


@command
def severity(
    masks: Masks,
    output: Output,
    images: Images = None,
    lobes: Lobes = None,
    ground_glass_hu: GroundGlass = None,
    consolidation_hu: Consolidation = None,
    grid: Grid = None,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
    json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Grade masks: infected volume and percent per lung, category, CT severity scores. For research only, no diagnosis.

    Writes severity.csv, severity.json (with the definition of each column) and figures/severity.png. Facts in HU,
    such as ground glass and consolidation in each lung, need the CTs, the CTSI by lobes needs lobe masks; of a dataset,
    its CTs are taken.

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
    from pneumoseg.evaluation.measures.opacity import DEFAULT_LIMITS, OpacityLimits

    check_output(output, overwrite)
    with value_of("--ground-glass-hu, --consolidation-hu"):
        limits = OpacityLimits(
            ground_glass_hu or DEFAULT_LIMITS.ground_glass_hu, consolidation_hu or DEFAULT_LIMITS.consolidation_hu
        )
    rows = grade_masks(masks, images=images, lobes=lobes, grid=grid or "sform", limits=limits)
    write_grading(rows, output, limits=limits, overwrite=overwrite)
    if json:
        print_json(grading_content(rows, limits))
    elif not quiet:
        print(readable(rows))
    log.info("Written to %s", output)


if __name__ == "__main__":
    run(severity)
