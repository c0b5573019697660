"""`pneumoseg bundle`: models that vote together as one small folder, for distribution."""

from pathlib import Path
from typing import Annotated

import typer

from pneumoseg.scripts.shared.command import command, run
from pneumoseg.scripts.shared.options import Json, Output, Overwrite, Quiet, Set, TrustPlugins, Verbose
from pneumoseg.scripts.shared.printing import print_json


@command
def bundle(
    models: Annotated[list[Path], typer.Argument(metavar="MODEL...", help="Model files (model.keras).")],
    output: Output,
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

    Example: pneumoseg bundle runs/a/model.keras runs/b/model.keras -o data/models/mine
    """
    from dataclasses import replace

    from pneumoseg.pipeline.models.bundle import check_bundle_output, write_bundle
    from pneumoseg.pipeline.models.model_file import load_model
    from pneumoseg.pipeline.prediction.predictor import change_trained, check_same_labels

    check_bundle_output(output, overwrite)
    trained = [load_model(path, trust_plugins) for path in models]
    check_same_labels({path: model.settings.labels for path, model in zip(models, trained, strict=True)})
    members = [
        replace(model, settings=change_trained(model.settings, changes or (), f"settings of {path}"))
        for path, model in zip(models, trained, strict=True)
    ]
    megabytes = write_bundle(members, output, overwrite=overwrite)
    if json:
        print_json({"folder": str(output), "models": len(models), "megabytes": round(megabytes, 1)})
    elif not quiet:
        print(f"{output}: {len(models)} models, {megabytes:.1f} MB")


if __name__ == "__main__":
    run(bundle)
