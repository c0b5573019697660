"""`pneumoseg prepare`: from a table of studies to a cohort file, which whole-volume networks are trained on."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from pneumoseg.scripts.shared.command import command, run
from pneumoseg.scripts.shared.options import Json, Output, Overwrite, Quiet, Resume, Verbose
from pneumoseg.scripts.shared.printing import print_json

Table = Annotated[
    Path,
    typer.Argument(metavar="TABLE", help="CSV file: patient, path, label, score; one study a row.", show_default=False),
]
Mask = Annotated[
    Literal["classical", "model", "lungmask"],
    typer.Option("--mask", help="Lungs by thresholds, by the bundled model, or by the package lungmask."),
]
Shape = Annotated[tuple[int, int, int], typer.Option("--shape", metavar="Z Y X", help="Voxels of the resized image.")]
ExcludeInvalid = Annotated[
    bool, typer.Option("--exclude-invalid", help="Leave out studies without whole lungs or in expiration.")
]
CutArea = Annotated[
    float | None, typer.Option("--cut-cm2", help="Lung in the first or last slice: not whole above.", show_default="15")
]
ExpirationVolume = Annotated[
    float | None, typer.Option("--expiration-ml", help="Expiration: lung volume below this.", show_default="3000")
]
ExpirationMean = Annotated[
    float | None, typer.Option("--expiration-hu", help="And mean lung HU above this.", show_default="-700")
]
Figures = Annotated[
    Path | None, typer.Option("--figures", metavar="DIR", help="Also draw the cohort there.", show_default=False)
]


@command
def prepare(
    table: Table,
    output: Output,
    mask: Mask = "classical",
    shape: Shape = (64, 128, 128),
    exclude_invalid: ExcludeInvalid = False,
    cut_cm2: CutArea = None,
    expiration_ml: ExpirationVolume = None,
    expiration_hu: ExpirationMean = None,
    figures: Figures = None,
    resume: Resume = False,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
    json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Prepare the studies of a table: resize them, find their lungs, check them, and store all in one HDF5 file.

    Beside cohort.h5 goes cohort.checks.csv: lung volume, mean HU, and why a study is not valid. Figures show the cohort
    by label, severity, CTSI and slices, and the studies before and after masking.

    Example: pneumoseg prepare table.csv -o cohort.h5 --exclude-invalid --figures cohort_figures
    """
    from pneumoseg.data_io.console import log
    from pneumoseg.data_io.datasets.cohort_table import read_cohort_table
    from pneumoseg.evaluation.exploration.cohort_checks import checks_path, readable, write_checks
    from pneumoseg.evaluation.exploration.cohort_figures import check_figures, draw_cohort
    from pneumoseg.evaluation.runs.run_folder import check_flags
    from pneumoseg.pipeline.prediction.cohort_preparation import CohortRefused, prepare_cohort
    from pneumoseg.pipeline.settings.preparation import preparation_settings

    check_flags(resume, overwrite)
    settings = preparation_settings(
        shape=shape,
        mask=mask,
        cut_area_cm2=cut_cm2,
        expiration_lung_ml=expiration_ml,
        expiration_mean_hu=expiration_hu,
    )
    if figures is not None:
        check_figures(figures, overwrite=overwrite or resume)
    rows = read_cohort_table(table)
    try:
        findings = prepare_cohort(
            rows, output, settings, exclude_invalid=exclude_invalid, resume=resume, overwrite=overwrite
        )
    except CohortRefused as refusal:
        write_checks(checks_path(output), refusal.findings)
        log.info("what was found of each study: %s", checks_path(output))
        raise
    write_checks(checks_path(output), findings)
    if figures is not None:
        draw_cohort(output, figures)
    if json:
        studies = [{"name": one.row.name, "kept": one.kept, "problem": one.problem} for one in findings]
        print_json({"cohort": str(output), "checks": str(checks_path(output)), "studies": studies})
    elif not quiet:
        print(readable(findings))
    log.info("written to %s and %s", output, checks_path(output))


if __name__ == "__main__":
    run(prepare)
