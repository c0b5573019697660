"""The command `phantom`: generated chest CTs with exact labels."""

from typing import Annotated, Literal

import typer

from pneumoseg.data_io.errors import InputError
from pneumoseg.scripts.shared.command import command, run
from pneumoseg.scripts.shared.options import Json, Output, Overwrite, Quiet, Verbose
from pneumoseg.scripts.shared.printing import print_json


@command
def phantom(
    output: Output,
    kind: Annotated[
        Literal["volumes", "pictures", "stack", "follow-up", "cohort"],
        typer.Option("--kind", help="Volumes, slices of them, two dates of each patient, or a cohort with its table."),
    ] = "volumes",
    file_format: Annotated[
        Literal["nifti", "dicom"],
        typer.Option("--format", help="Of CTs: one file, or a DICOM series."),
    ] = "nifti",
    position: Annotated[
        Literal["HFS", "HFP", "HFDL", "HFDR", "FFS", "FFP", "FFDL", "FFDR", "mixed"] | None,
        typer.Option("--position", help="How the patients of DICOM series lie; mixed: in turn.", show_default="HFS"),
    ] = None,
    cases: Annotated[int, typer.Option("--cases", metavar="N", help="How many patients.")] = 10,
    shape: Annotated[
        tuple[int, int, int], typer.Option("--shape", metavar="X Y Z", help="Voxels to the right, front and top.")
    ] = (128, 128, 64),
    seed: Annotated[int, typer.Option("--seed", help="Another seed draws other patients.")] = 0,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
    json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Write generated chest CTs of COVID-19 patients with exact labels.

    Volumes: one folder per case. Pictures: images/, masks/ (0 and 255) and classes/ (1 ground glass, 2 consolidation),
    up to three slices of each patient. A stack: the same slices in one pair of files, tr_im.nii.gz and tr_mask.nii.gz.
    With slices comes patients.csv. Follow-up: each patient at two dates, baseline/ and follow_up/, and
    change.nii.gz, what became of the infection. Cohort: studies with COVID-19 of every severity, normal lungs and other
    findings, and cohort.csv: patient, path, label, score. As DICOM, a volume is CASE/dicom/*.dcm, beside its labels.
    For trying a pipeline where there is no CT at hand; scores on phantoms say nothing about patients.

    Example: pneumoseg phantom -o data/phantoms --cases 10 --shape 128 128 64 --seed 0
    """
    from pneumoseg.data_io.console import log
    from pneumoseg.data_io.phantoms.cohort import TABLE_NAME, write_cohort_phantoms
    from pneumoseg.data_io.phantoms.dicom_series import POSITIONS
    from pneumoseg.data_io.phantoms.follow_up import write_follow_ups
    from pneumoseg.data_io.phantoms.generate import write_phantoms
    from pneumoseg.data_io.phantoms.slices import write_pictures, write_stack

    if file_format == "dicom" and kind not in ("volumes", "cohort"):
        raise InputError(f"--format dicom writes volumes and cohorts, found --kind {kind}; leave one of them out")
    if position and file_format != "dicom":
        raise InputError(f"--position is for DICOM series, found --format {file_format}; add --format dicom")
    positions = POSITIONS if position == "mixed" else (position or "HFS",)
    if kind == "volumes":
        folders = write_phantoms(
            output,
            cases,
            shape=shape,
            seed=seed,
            overwrite=overwrite,
            positions=positions if file_format == "dicom" else (),
        )
        names = [folder.name for folder in folders]
        log.info("%d phantoms of %d x %d x %d voxels written to %s", len(names), *shape, output)
    elif kind == "cohort":
        names = write_cohort_phantoms(
            output,
            cases,
            shape=shape,
            seed=seed,
            overwrite=overwrite,
            positions=positions if file_format == "dicom" else (),
        )
        log.info("%d studies of %d x %d x %d voxels and %s written to %s", len(names), *shape, TABLE_NAME, output)
    elif kind == "follow-up":
        names = write_follow_ups(output, cases, shape=shape, seed=seed, overwrite=overwrite)
        log.info("%d phantoms of %d x %d x %d voxels at two dates written to %s", len(names), *shape, output)
    else:
        write = {"pictures": write_pictures, "stack": write_stack}[kind]
        names = write(output, cases, shape=shape, seed=seed, overwrite=overwrite)
        log.info("%d slices of %d phantoms written to %s", len(names), cases, output)
    if json:
        print_json(
            {"folder": str(output), "kind": kind, "format": file_format, "cases": names, "shape": shape, "seed": seed}
        )


if __name__ == "__main__":
    run(phantom)
