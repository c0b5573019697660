"""`pneumoseg bundle`: models that vote together as one small folder, to be handed on."""

from pathlib import Path
from typing import Annotated

import typer

from pneumoseg.scripts.shared.command_line import (
    Json,
    Output,
    Overwrite,
    Quiet,
    Set,
    TrustPlugins,
    Verbose,
    command,
    print_json,
    run,
)


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
    from pneumoseg.data_io.errors import InputError
    from pneumoseg.data_io.storage.atomic import folder_aside, replace_folder, restore_replaced
    from pneumoseg.pipeline.models.bundle_card import CARD, write_card
    from pneumoseg.pipeline.models.model_file import TrainedModel, load_model, save_model
    from pneumoseg.pipeline.networks.rebuilding import rebuild
    from pneumoseg.pipeline.prediction.predictor import change_trained, check_same_labels

    place = output.resolve()
    restore_replaced(place)
    earlier = _models_of_bundle(output)
    if (earlier or (place / CARD).exists()) and not overwrite:
        raise InputError(f"{output}: holds models, or a {CARD}, already; choose another folder, or add --overwrite")
    loaded = [load_model(path, trust_plugins) for path in models]
    check_same_labels({path: model.settings.labels for path, model in zip(models, loaded, strict=True)})
    settings = [change_trained(model.settings, changes or (), "--set") for model in loaded]
    with folder_aside(place) as aside:
        made = aside / place.name
        made.mkdir()
        for number, (model, own) in enumerate(zip(loaded, settings, strict=True)):
            save_model(made / f"fold_{number}" / "model.keras", TrainedModel(rebuild(model.network, "float16"), own))
        write_card(made)
        megabytes = sum(path.stat().st_size for path in made.glob("fold_*/model.keras")) / 1e6
        beside = [path for path in _content(place) if path not in earlier and path.name != CARD]
        if earlier or not beside:
            for path in beside:  # what describes the bundle, such as a README
                _copy(path, made / path.name)
            replace_folder(made, place)
        else:  # a folder of other things; the card comes first, so that a part is never taken for the whole
            for path in sorted(made.iterdir()):
                path.rename(place / path.name)
    if json:
        print_json({"folder": str(output), "models": len(models), "megabytes": round(megabytes, 1)})
    elif not quiet:
        print(f"{output}: {len(models)} models, {megabytes:.1f} MB")


def _models_of_bundle(folder: Path) -> list[Path]:
    """The folders fold_K of a bundle; none where there is no bundle yet. Raises InputError where `folder` is a run or a
    trained model, or where a fold_K holds anything but a model and what was compiled from it."""
    from pneumoseg.data_io.errors import InputError

    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: a bundle is a folder, found a file; choose another output")
    for name in ("splits.json", "settings.yaml", "model.keras"):
        if (folder / name).exists():
            raise InputError(f"{folder}: a run or a trained model, found {name}; choose another folder for the bundle")
    found = sorted(folder.resolve().glob("fold_*"))
    for fold in found:
        names = {path.name for path in fold.iterdir()} if fold.is_dir() else set()
        strange = sorted(name for name in names if name != "model.keras" and not name.startswith((".", "openvino-")))
        if strange or "model.keras" not in names:
            content = ", ".join(strange[:3]) or "no model.keras"
            raise InputError(f"{fold}: a bundle has model.keras alone there, found {content}; choose another folder")
    return found


def _content(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def _copy(path: Path, target: Path) -> None:
    import shutil

    if path.is_dir() and not path.is_symlink():
        shutil.copytree(path, target, symlinks=True)
    else:
        shutil.copy2(path, target, follow_symlinks=False)


if __name__ == "__main__":
    run(bundle)
