"""`pneumoseg watch`: segments what is dropped into a folder."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from pneumoseg.pipeline.models.bundled import DEFAULT_MODEL, bundled_model
from pneumoseg.scripts.shared.command import command, run
from pneumoseg.scripts.shared.options import Device, Json, Quiet, Set, Threads, TrustPlugins, Verbose, use_device
from pneumoseg.scripts.shared.prediction_options import (
    AllowGaps,
    AssignUids,
    Captures,
    Engine,
    Models,
    Precision,
    Report,
    check_report,
)
from pneumoseg.scripts.shared.printing import print_json


@command
def watch(
    folder: Annotated[
        Path, typer.Argument(metavar="IN", help="Folder with one series per sub-folder.", show_default=False)
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="Where the results go.", show_default=False)],
    model: Models = None,
    mask_format: Annotated[
        Literal["dicom-seg", "dicom-labelmap", "nii.gz", "nii", "seg.nrrd"],
        typer.Option("--format", help="Format of the masks."),
    ] = "dicom-seg",
    report: Report = False,
    captures: Captures = False,
    assign_uids: AssignUids = False,
    quiet_s: Annotated[
        float, typer.Option("--settle", min=0, help="Seconds without a change after which a series is complete.")
    ] = 10.0,
    once: Annotated[bool, typer.Option("--once", help="End when all that is there has been segmented.")] = False,
    changes: Set = None,
    allow_gaps: AllowGaps = False,
    engine: Engine = "auto",
    precision: Precision = "auto",
    trust_plugins: TrustPlugins = False,
    device: Device = "auto",
    threads: Threads = None,
    quiet: Quiet = False,
    json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Segments each series that is dropped into a folder, as routers such as mercure and Orthanc hand them over: one
    per sub-folder, one at a time, when nothing in it has changed for a while.

    The sub-folder is then moved to IN/done, or to IN/failed with the reason beside it. May be killed and started again
    at any time. With --json, one line of JSON per series.

    Example: pneumoseg watch incoming -o results --sr
    """
    use_device(device, threads)
    from pneumoseg.evaluation.inference.calibration import calibration_of
    from pneumoseg.evaluation.inference.recipe import PredictionOptions
    from pneumoseg.evaluation.inference.watched_folder import watch as handled_in
    from pneumoseg.pipeline.prediction.predictor import open_predictor

    check_report(report, mask_format.startswith("dicom"))
    predictor = open_predictor(
        model or bundled_model(DEFAULT_MODEL),
        changes=changes or (),
        trust_plugins=trust_plugins,
        engine="keras" if device == "gpu" and engine == "auto" else engine,
        precision=precision,
        threads=threads,
    )
    options = PredictionOptions(
        report=report,
        captures=captures,
        assign_uids=assign_uids,
        dicom_encoding="labelmap" if mask_format == "dicom-labelmap" else "binary",
        allow_gaps=allow_gaps,
        keep_going=True,
        calibration=calibration_of(model or [DEFAULT_MODEL]),
    )
    for one in handled_in(
        folder, output, predictor, options=options, mask_format=mask_format, quiet_s=quiet_s, once=once
    ):
        mask = None if one.error or one.result is None else str(one.result.output.mask)
        if json:
            moved = None if one.moved_to is None else str(one.moved_to)
            print_json({"input": one.name, "moved_to": moved, "mask": mask, "error": one.error}, lines=True)
        elif not quiet:
            print(f"{one.name}: {one.error or mask}", flush=True)


if __name__ == "__main__":
    run(watch)
