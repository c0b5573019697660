"""`pneumoseg severity`: how much of the lungs is infected, and which severity that is called."""

from pathlib import Path
from typing import Annotated

import typer

from pneumoseg.data_io.errors import InputError
from pneumoseg.scripts.shared.command import command, run, value_of
from pneumoseg.scripts.shared.options import Grid, Json, Output, Overwrite, Part, Quiet, Resume, Verbose
from pneumoseg.scripts.shared.printing import print_json, print_part

Masks = Annotated[
    Path,
    typer.Argument(
        metavar="MASKS", help="A mask (NIfTI, NRRD, MetaImage), a folder of masks, or a dataset.", show_default=False
    ),
]
Images = Annotated[
    Path | None,
    typer.Option(
        "--images",
        help="CT, folder of CTs, or table of a cohort (CSV), with the names of the masks.",
        show_default=False,
    ),
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
Cohort = Annotated[
    Path | None,
    typer.Option(
        "--cohort",
        help="Table of studies (CSV: patient, path, label, score) to compare the infected percent with, by the names "
        "of the masks.",
        show_default=False,
    ),
]
Run = Annotated[
    Path | None,
    typer.Option(
        "--run",
        help="With --cohort: a run of kfold on the same studies, to compare the masks with.",
        show_default=False,
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
    cohort: Cohort = None,
    of_run: Run = None,
    grid: Grid = None,
    part: Part = None,
    resume: Resume = False,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
    json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Grade masks: infected volume and percent per lung, category, CT severity scores. For research only, no diagnosis.

    Writes severity.csv, severity.json (with the definition of each column) and figures/severity.png. Facts in HU,
    such as ground glass and consolidation in each lung, need the CTs, the CTSI by lobes needs lobe masks; of a dataset,
    its CTs are taken.

    With --cohort, writes how well the percent agrees with the given scores and labels, with --run beside the
    predictions of networks for whole studies: predictions.csv, classification.csv, agreement.csv, categories_off.csv,
    masks_against_run.csv.

    With --part I/N, writes the rows of these masks alone, parts/I_of_N.json; with --resume, masks of such parts are not
    graded again, so that the last call makes the whole of all parts.

    Example: pneumoseg severity masks/ --images cts/ -o severity/
    """
    from pneumoseg.data_io.console import log
    from pneumoseg.data_io.datasets.cohort_table import read_cohort_table
    from pneumoseg.data_io.datasets.inputs import part_numbers
    from pneumoseg.evaluation.experiments.mask_grading import (
        check_output,
        grade_masks,
        grade_part,
        grading_content,
        readable,
        write_grading,
    )
    from pneumoseg.evaluation.experiments.severity_agreement import agreement_lines, cohort_agreement
    from pneumoseg.evaluation.measures.opacity import DEFAULT_LIMITS, OpacityLimits
    from pneumoseg.evaluation.runs.run_folder import check_flags

    check_flags(resume, overwrite)
    check_output(output, overwrite)
    with value_of("--ground-glass-hu, --consolidation-hu"):
        limits = OpacityLimits(
            ground_glass_hu or DEFAULT_LIMITS.ground_glass_hu, consolidation_hu or DEFAULT_LIMITS.consolidation_hu
        )
    if of_run is not None and cohort is None:
        raise InputError("--run needs --cohort TABLE, the table of the studies")
    table = None if cohort is None else read_cohort_table(cohort)
    form = grid or "sform"
    if part is not None:
        with value_of("--part"):
            part_numbers(part)
        rows = grade_part(
            masks,
            part,
            output=output,
            images=images,
            lobes=lobes,
            grid=form,
            limits=limits,
            resume=resume,
            overwrite=overwrite,
        )
        print_part(output, part, [row["case"] for row in rows], quiet=quiet, json=json)
        return
    resume_from = output if resume else None
    rows = grade_masks(masks, images=images, lobes=lobes, grid=form, limits=limits, resume_from=resume_from)
    agreement = None if table is None else cohort_agreement(rows, table, of_run)
    write_grading(rows, output, limits=limits, cohort=agreement, overwrite=overwrite)
    if json:
        print_json(grading_content(rows, limits, agreement))
    elif not quiet:
        print(readable(rows))
        if agreement is not None:
            print(f"\n{agreement_lines(agreement, output)}")
    log.info("Written to %s", output)


if __name__ == "__main__":
    run(severity)
