"""`pneumoseg predict`: masks for CT volumes and pictures."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

import typer

from pneumoseg.data_io.console import log
from pneumoseg.data_io.errors import InputError
from pneumoseg.pipeline.models.bundled import bundled_model, default_model
from pneumoseg.pipeline.runtime.hardware import share_of_cores
from pneumoseg.scripts.shared.cluster_options import Insecure, Scheduler, Workers, cluster_of
from pneumoseg.scripts.shared.command import command, refuse_flags, run, value_of
from pneumoseg.scripts.shared.options import (
    Device,
    Grid,
    Json,
    Output,
    Overwrite,
    Part,
    Quiet,
    Resume,
    Set,
    Threads,
    TrustPlugins,
    Verbose,
    use_device,
)
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
from pneumoseg.scripts.shared.study_prediction import is_study_model, predict_whole_studies


@command
def predict(
    inputs: Annotated[
        list[Path],
        typer.Argument(
            metavar="INPUT...",
            help="CTs (NIfTI, NRRD, MHA, DICOM folders), pictures, folders, .txt lists, cohorts (CSV).",
        ),
    ],
    output: Output,
    model: Models = None,
    fold: Annotated[
        list[int] | None, typer.Option("--fold", help="Only this fold of the run; may be repeated.")
    ] = None,
    overlap: Annotated[float | None, typer.Option("--overlap", help="Share of a tile that neighbours share.")] = None,
    batch: Annotated[int | None, typer.Option("--batch", help="Tiles at a time.")] = None,
    tta: Annotated[bool, typer.Option("--tta", help="Average over mirror images, left-right swapped back.")] = False,
    threshold: Annotated[
        float | None,
        typer.Option(
            "--threshold", help="Of two classes, the second where its probability is above.", show_default="0.5"
        ),
    ] = None,
    changes: Set = None,
    engine: Engine = "auto",
    precision: Precision = "auto",
    mask_format: Annotated[
        Literal["nii.gz", "nii", "seg.nrrd", "dicom-seg", "dicom-labelmap", "png", "npy"] | None,
        typer.Option(
            "--format",
            help="Format of the masks; seg.nrrd is for 3D Slicer, dicom-seg (or the smaller dicom-labelmap, for few "
            "viewers) for a PACS, png for pictures.",
            show_default="nii.gz, of pictures png",
        ),
    ] = None,
    probabilities: Annotated[bool, typer.Option("--probabilities", help="A map of 0..1 per class, too.")] = False,
    uncertainty: Annotated[
        bool, typer.Option("--uncertainty", help="A map of the probabilities' entropy, 0..1, too.")
    ] = False,
    statistics: Annotated[
        bool, typer.Option("--statistics", help="Volumes, share infected and mean HU to statistics.csv, too.")
    ] = False,
    preview: Annotated[bool, typer.Option("--preview", help="A picture of each mask, too.")] = False,
    report: Report = False,
    captures: Captures = False,
    assign_uids: AssignUids = False,
    side_by_side: Annotated[
        bool, typer.Option("--side-by-side", help="Picture, truth where there is one, and mask in one picture, too.")
    ] = False,
    grad_cam: Annotated[
        bool, typer.Option("--grad-cam", help="Of networks for whole studies: where they found it, too.")
    ] = False,
    series: Annotated[str | None, typer.Option("--series", help="Which DICOM series: UID, number or name.")] = None,
    grid: Grid = None,
    allow_gaps: AllowGaps = False,
    part: Part = None,
    keep_going: Annotated[bool, typer.Option("--keep-going", help="Skip bad CTs; exit code 1 at the end.")] = False,
    trust_plugins: TrustPlugins = False,
    resume: Resume = False,
    overwrite: Overwrite = False,
    scheduler: Scheduler = None,
    workers: Workers = None,
    insecure: Insecure = False,
    device: Device = "auto",
    threads: Threads = None,
    quiet: Quiet = False,
    json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Segments CT volumes: for each a mask on its own grid, 0 background, 1 left lung, 2 right lung, 3 infection. Of
    pictures (PNG, JPEG, TIFF, BMP) a mask of the picture's size, 0 background, 255 infection.

    Beside each mask lies a manifest, MASK.json: model, settings, geometry, seconds, warnings.

    With a model of whole studies, OUTPUT/NAME.json says of each CT the probability of the disease, the severity score,
    or both, and OUTPUT/predictions.csv of all.

    Example: pneumoseg predict ct.nii.gz -o mask.nii.gz
    """
    on_workers = scheduler is not None or workers is not None  # which may have a GPU where this machine has none
    use_device("auto" if on_workers and device == "gpu" else device, threads)
    from pneumoseg.data_io.datasets.inputs import find_inputs, one_part
    from pneumoseg.data_io.formats.pictures import is_picture
    from pneumoseg.data_io.formats.writing import is_dicom_segmentation
    from pneumoseg.evaluation.inference.batch import PredictionOptions, predict_files
    from pneumoseg.evaluation.inference.outputs import facts_of, place_outputs, write_volumetry
    from pneumoseg.evaluation.inference.spread import PredictorRequest, spread_predictions

    files = find_inputs(inputs)
    if part is not None:
        with value_of("--part"):
            files = one_part(files, part)
        if not files:
            _end_part(output, part, {})
            log.info("part %s has no CT: there are fewer than parts", part)
            if json:
                print_json({"masks": [], "manifests": [], "failed": {}})
            return
    if model and is_study_model(model, fold):
        refuse_flags(
            "a network for whole studies makes no masks, and always computes as it was trained",
            overlap=overlap,
            batch=batch,
            tta=tta,
            threshold=threshold,
            changes=changes,
            engine=None if engine == "auto" else engine,
            precision=None if precision == "auto" else precision,
            trust_plugins=trust_plugins,
            mask_format=mask_format,
            probabilities=probabilities,
            uncertainty=uncertainty,
            statistics=statistics,
            preview=preview,
            report=report,
            captures=captures,
            assign_uids=assign_uids,
            side_by_side=side_by_side,
            scheduler=scheduler,
            workers=workers,
            insecure=insecure,
        )
        from pneumoseg.evaluation.inference.study_batch import StudyOptions

        how = StudyOptions(
            grad_cam=grad_cam, keep_going=keep_going, series=series, allow_gaps=allow_gaps, grid=grid or "sform"
        )
        studied = predict_whole_studies(
            files, output, model, fold, options=how, resume=resume, overwrite=overwrite, quiet=quiet, json=json
        )
        has_failed = {name: result.error is not None for name, result in zip(files, studied, strict=True)}
        _end_part(output, part, has_failed)
        raise typer.Exit(1 if any(has_failed.values()) else 0)
    refuse_flags("Grad-CAM explains networks for whole studies, and the model makes masks", grad_cam=grad_cam)
    outputs = place_outputs(files, output, mask_format=mask_format, resume=resume, overwrite=overwrite)
    if side_by_side and (volumes := [path for path in files.values() if not is_picture(path)]):
        raise InputError(f"{volumes[0]}: no picture, only pictures are shown side by side", options=("side_by_side",))
    if statistics and all(map(is_picture, files.values())):
        raise InputError("pictures have no millimetres and so no volumes; omit the statistics", options=("statistics",))
    check_report(report, all(is_dicom_segmentation(one.mask) for one in outputs.values()))
    for name, value in (
        ("overlap", overlap),
        ("batch", batch),
        ("mirror_axes", [0] if tta else None),
        ("threshold", threshold),
    ):
        if value is not None:
            changes = [*(changes or []), f"prediction.{name}={value}"]
    if device == "gpu" and engine == "auto":
        engine = "keras"
    request = PredictorRequest(
        paths=tuple(model or [bundled_model(default_model(files.values()))]),
        folds=None if fold is None else tuple(fold),
        changes=tuple(changes or ()),
        trust_plugins=trust_plugins,
        engine=engine,
        precision=precision,
        threads=threads if workers is None else threads or share_of_cores(workers),
    )
    options = PredictionOptions(
        probabilities=probabilities,
        uncertainty=uncertainty,
        statistics=statistics,
        preview=preview,
        side_by_side=side_by_side,
        report=report,
        captures=captures,
        assign_uids=assign_uids,
        dicom_encoding="labelmap" if mask_format == "dicom-labelmap" else "binary",
        series=series,
        allow_gaps=allow_gaps,
        keep_going=keep_going,
        grid=grid or "sform",
    )
    shared = next(iter(outputs.values())).mask.parent
    with cluster_of(
        scheduler, workers, insecure, shared=shared, inputs=[*outputs], threads=threads, device=device
    ) as cluster:
        if cluster is None:
            predictor, calibration = request.open(), request.calibration()
            if isinstance(calibration, str):
                log.info("%s", calibration)
            options = replace(options, calibration=calibration)
            results = predict_files(outputs, predictor, options=options, resume=resume)
        else:
            results = spread_predictions(
                outputs,
                request.elsewhere(),
                executor=cluster,
                options=options,
                overwrite=overwrite,
            )
    done = [result for result in results if result.manifest is not None]
    failed = [result for result in results if result.error is not None]
    if statistics and output.is_dir():
        share = f"_{part.replace('/', '_of_')}" if part else ""
        facts = {result.output.name: result.manifest and facts_of(result.manifest) for result in results}
        write_volumetry(output / f"statistics{share}.csv", facts)
    _end_part(output, part, {result.output.name: result.error is not None for result in results})
    if json:
        print_json(
            {
                "masks": [str(result.output.mask) for result in done],
                "manifests": [result.manifest for result in done],
                "failed": {str(result.source): result.error for result in failed},
            }
        )
    elif not quiet:
        print("\n".join(str(result.output.mask) for result in done))
        if failed:
            print(f"{len(failed)} of {len(results)} failed: {', '.join(str(result.source) for result in failed)}")
    if failed:
        raise typer.Exit(1)


def _end_part(output: Path, part: str | None, failed: Mapping[str, bool]) -> None:
    """Where this was a part and the output is a folder: says there that it is done. `failed`: by name of a CT."""
    from pneumoseg.data_io.formats.writing import is_label_file
    from pneumoseg.evaluation.runs.parts import write_predicted_part

    if part is not None and not is_label_file(output):
        write_predicted_part(output, part, failed)


if __name__ == "__main__":
    run(predict)
