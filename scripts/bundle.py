"""`pneumoseg bundle`: models that vote together as one small folder, to be handed on."""

import shutil
from pathlib import Path
from typing import Annotated

import typer

from scripts.command_line import Json, Output, Overwrite, Quiet, Set, TrustPlugins, Verbose, command, print_json, run


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

    Example: pneumoseg bundle runs/a/model.keras runs/b/model.keras -o data/models/mine
    """
    from data_io.errors import InputError
    from pipeline.model_file import TrainedModel, load_model, save_model
    from pipeline.networks.rebuilding import rebuild
    from pipeline.predictor import change_trained

    folders = [output / f"fold_{number}" for number in range(len(models))]
    if any(output.glob("fold_*")) and not overwrite:
        raise InputError(f"{output}: holds models already; choose another folder, or add --overwrite")
    loaded = [load_model(path, trust_plugins) for path in models]
    settings = [change_trained(model.settings, changes or (), "--set") for model in loaded]
    for folder in output.glob("fold_*"):
        shutil.rmtree(folder)
    for folder, model, own in zip(folders, loaded, settings, strict=True):
        folder.mkdir(parents=True)
        save_model(folder / "model.keras", TrainedModel(rebuild(model.network, "float16"), own))
    megabytes = sum((folder / "model.keras").stat().st_size for folder in folders) / 1e6
    if json:
        print_json({"folder": str(output), "models": len(folders), "megabytes": round(megabytes, 1)})
    elif not quiet:
        print(f"{output}: {len(folders)} models, {megabytes:.1f} MB")


if __name__ == "__main__":
    run(bundle)
