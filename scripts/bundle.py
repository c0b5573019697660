"""`pneumoseg bundle`: models that vote together as one small folder, to be handed on."""

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

    With --overwrite the models of a bundle give way to the new ones; a run folder is refused.

    Example: pneumoseg bundle runs/a/model.keras runs/b/model.keras -o data/models/mine
    """
    from tempfile import TemporaryDirectory

    from data_io.atomic import PARTIAL_PREFIX
    from data_io.errors import InputError
    from pipeline.model_file import TrainedModel, load_model, save_model
    from pipeline.networks.rebuilding import rebuild
    from pipeline.predictor import change_trained, check_same_labels

    earlier = _models_of_bundle(output)
    if earlier and not overwrite:
        raise InputError(f"{output}: holds models already; choose another folder, or add --overwrite")
    loaded = [load_model(path, trust_plugins) for path in models]
    check_same_labels({path: model.settings.labels for path, model in zip(models, loaded, strict=True)})
    settings = [change_trained(model.settings, changes or (), "--set") for model in loaded]
    beside = output.resolve().parent
    beside.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=PARTIAL_PREFIX, dir=beside) as aside:
        made = [Path(aside) / f"fold_{number}" for number in range(len(models))]
        for folder, model, own in zip(made, loaded, settings, strict=True):
            save_model(folder / "model.keras", TrainedModel(rebuild(model.network, "float16"), own))
        megabytes = sum((folder / "model.keras").stat().st_size for folder in made) / 1e6
        output.mkdir(exist_ok=True)
        for folder in earlier:
            folder.rename(Path(aside) / f"earlier_{folder.name}")
        for folder in made:
            folder.rename(output / folder.name)
    if json:
        print_json({"folder": str(output), "models": len(models), "megabytes": round(megabytes, 1)})
    elif not quiet:
        print(f"{output}: {len(models)} models, {megabytes:.1f} MB")


def _models_of_bundle(folder: Path) -> list[Path]:
    """The folders fold_K of a bundle; none where there is no bundle yet. Raises InputError where `folder` is a run or a
    trained model, or where a fold_K holds anything but a model and what was compiled from it."""
    from data_io.errors import InputError

    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: a bundle is a folder, found a file; choose another output")
    for name in ("splits.json", "settings.yaml", "model.keras"):
        if (folder / name).exists():
            raise InputError(f"{folder}: a run or a trained model, found {name}; choose another folder for the bundle")
    found = sorted(folder.glob("fold_*"))
    for fold in found:
        names = {path.name for path in fold.iterdir()} if fold.is_dir() else set()
        strange = sorted(name for name in names if name != "model.keras" and not name.startswith((".", "openvino-")))
        if strange or "model.keras" not in names:
            content = ", ".join(strange[:3]) or "no model.keras"
            raise InputError(f"{fold}: a bundle has model.keras alone there, found {content}; choose another folder")
    return found


if __name__ == "__main__":
    run(bundle)
