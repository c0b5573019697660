"""`pneumoseg bundle`: models that vote together as one small folder, for distribution."""

from pathlib import Path
from typing import Annotated

import typer

from pneumoseg.data_io.errors import InputError
from pneumoseg.scripts.shared.command import command, run
from pneumoseg.scripts.shared.options import Json, Output, Overwrite, Quiet, Set, TrustPlugins, Verbose, dataset_of
from pneumoseg.scripts.shared.printing import print_json


@command
def bundle(
    models: Annotated[list[Path], typer.Argument(metavar="MODEL...", help="Model files (model.keras).")],
    output: Output,
    int8: Annotated[
        bool, typer.Option("--int8", help="Add converted and 8-bit networks for OpenVINO; needs pneumoseg[int8].")
    ] = False,
    calibrate_on: Annotated[
        Path | None,
        typer.Option(
            "--calibrate-on",
            metavar="DATA",
            help="Dataset with masks that 8 bit is calibrated on, instead of the tiles beside each model.",
        ),
    ] = None,
    trust: Annotated[
        Path | None,
        typer.Option(
            "--trust",
            metavar="RUN",
            help="Run of kfold or vote, whose calibration (trust.json) gives the masks of the bundle a verdict.",
        ),
    ] = None,
    changes: Set = None,
    trust_plugins: TrustPlugins = False,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
    json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Copies models into one folder whose networks vote together (`predict --model FOLDER`), with their weights in half
    precision, which halves the size; `--set` changes how they predict (prediction, postprocessing, equalisation).

    The folder's bundle.json says which models belong to it; `predict` refuses a bundle that lacks one of them. With
    --overwrite the models of a bundle are replaced at once, and what else lies in its folder stays; a run folder is
    refused.

    With --int8, predictions need no conversion, and take 8 bit where the processor is fastest so. A network that gives
    another class in more than 0.3 % of the voxels in 8 bit is bundled without, with a warning.

    Example: pneumoseg bundle runs/a/model.keras runs/b/model.keras -o data/models/mine --int8
    """
    from dataclasses import replace

    from pneumoseg.data_io.storage.cache import cache_folder
    from pneumoseg.evaluation.scoring.trust_file import read_calibration
    from pneumoseg.pipeline.models.bundle_card import TRUST
    from pneumoseg.pipeline.models.model_file import load_model
    from pneumoseg.pipeline.prediction.bundle import check_bundle_output, write_bundle
    from pneumoseg.pipeline.prediction.predictor import change_trained, check_same_labels
    from pneumoseg.pipeline.sampling import calibration

    if calibrate_on is not None and not int8:
        raise InputError("--calibrate-on is for --int8; give both")
    if trust is not None:
        read_calibration(trust / TRUST)
    check_bundle_output(output, overwrite)
    trained = [load_model(path, trust_plugins) for path in models]
    check_same_labels({path: model.settings.labels for path, model in zip(models, trained, strict=True)})
    members = [
        replace(model, settings=change_trained(model.settings, changes or (), f"settings of {path}"))
        for path, model in zip(models, trained, strict=True)
    ]
    if calibrate_on is not None:
        tiles = [
            calibration.tiles_of_dataset(dataset_of(member.settings, [calibrate_on]), member.settings, cache_folder())
            for member in members
        ]
    else:
        beside = zip(models, members, strict=True) if int8 else ()
        tiles = [calibration.tiles_beside(path, member.settings) for path, member in beside]
    megabytes = write_bundle(
        members,
        output,
        tiles=tiles,
        trust=trust / TRUST if trust else None,
        overwrite=overwrite,
        trust_plugins=trust_plugins,
    )
    if json:
        print_json({"folder": str(output), "models": len(models), "megabytes": round(megabytes, 1)})
    elif not quiet:
        print(f"{output}: {len(models)} models, {megabytes:.1f} MB")


if __name__ == "__main__":
    run(bundle)
