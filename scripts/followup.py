"""`pneumoseg followup`: what became of the infection between two CTs of one patient."""

import math
from pathlib import Path
from typing import Annotated

import typer

from pneumoseg.data_io.errors import InputError
from pneumoseg.pipeline.models.bundled import DEFAULT_MODEL
from pneumoseg.scripts.shared.command import command, run
from pneumoseg.scripts.shared.options import (
    Device,
    Grid,
    Json,
    Output,
    Overwrite,
    Quiet,
    Threads,
    TrustPlugins,
    Verbose,
    use_device,
)
from pneumoseg.scripts.shared.printing import print_json


@command
def followup(
    baseline: Annotated[
        Path, typer.Argument(metavar="BASELINE", help="The earlier CT, or a mask of it.", show_default=False)
    ],
    follow_up: Annotated[
        Path, typer.Argument(metavar="FOLLOW_UP", help="The later CT, or a mask of it.", show_default=False)
    ],
    output: Output,
    baseline_mask: Annotated[
        Path | None, typer.Option("--baseline-mask", help="Mask of the earlier CT, instead of segmenting it.")
    ] = None,
    follow_up_mask: Annotated[
        Path | None, typer.Option("--follow-up-mask", help="Mask of the later CT, instead of segmenting it.")
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(
            "--model",
            help="A model.keras, a run folder, or a bundled model's name; may be repeated. Networks vote, and their "
            "spread is the noise; a single one votes on the CT and on its mirror image.",
            show_default=DEFAULT_MODEL,
        ),
    ] = None,
    noise_ml: Annotated[
        float | None,
        typer.Option("--noise-ml", min=0, help="Change of infected volume that is noise, where it is known."),
    ] = None,
    min_similarity: Annotated[
        float | None,
        typer.Option(
            "--min-similarity",
            min=0,
            max=1,
            help="Least Dice of the lungs, registered, or of masks alone after the rigid step.",
            show_default="0.9, of masks alone 0.92",
        ),
    ] = None,
    min_correlation: Annotated[
        float, typer.Option("--min-correlation", min=-1, max=1, help="Least correlation of vessels, of CTs.")
    ] = 0.16,
    grid: Grid = None,
    trust_plugins: TrustPlugins = False,
    overwrite: Overwrite = False,
    device: Device = "auto",
    threads: Threads = None,
    quiet: Quiet = False,
    json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Compare two CTs of one patient, or masks of them: change of infected volume per lung and thirds, what is new,
    resolved and unchanged, and which change is beyond the noise of the model. For research only, no diagnosis.

    Writes change.nii.gz (on the follow-up's grid: 1 unchanged, 2 new, 3 resolved), followup.csv, followup.json and
    followup.png. CTs are segmented, masks (class numbers 0..3) are taken as they are.

    Example: pneumoseg followup first.nii.gz second.nii.gz -o change
    """
    use_device(device, threads)
    from pneumoseg.data_io.console import log, warnings_of_this_thread
    from pneumoseg.evaluation.followup.comparison import compare
    from pneumoseg.evaluation.followup.examination import check_one_patient, read_examination
    from pneumoseg.evaluation.followup.output_folder import (
        check_output,
        follow_up_content,
        readable,
        write_follow_up,
    )
    from pneumoseg.evaluation.followup.segmentation import segmented

    if noise_ml is not None and not math.isfinite(noise_ml):
        raise InputError(f"--noise-ml: a finite volume is needed, found {noise_ml}")
    check_output(output, overwrite)
    with warnings_of_this_thread() as warnings:
        dates = (
            read_examination(baseline, baseline_mask, "baseline", grid=grid or "sform"),
            read_examination(follow_up, follow_up_mask, "follow-up", grid=grid or "sform"),
        )
        check_one_patient(*dates)
        (before, after), models = segmented(
            dates, model or [DEFAULT_MODEL], threads=threads, trust_plugins=trust_plugins
        )
        comparison = compare(
            before, after, noise_ml=noise_ml, least_dice=min_similarity, least_correlation=min_correlation
        )
    content = follow_up_content(comparison, models=models, warnings=warnings)
    write_follow_up(comparison, content, output, overwrite=overwrite)
    if json:
        print_json(content)
    elif not quiet:
        print(readable(comparison))
    log.info("Written to %s", output)


if __name__ == "__main__":
    run(followup)
