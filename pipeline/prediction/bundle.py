"""Writing a bundle: models that vote together as one small folder, fold_K/model.keras beside the card bundle.json."""

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from pneumoseg.data_io.console import log
from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.storage.atomic import folder_aside, replace_folder, restore_replaced
from pneumoseg.pipeline.models.bundle_card import CARD, TRUST, write_card
from pneumoseg.pipeline.models.model_file import TrainedModel, save_model
from pneumoseg.pipeline.networks.rebuilding import rebuild
from pneumoseg.pipeline.prediction.converted_files import LOCK
from pneumoseg.pipeline.sampling.calibration import CalibrationTiles

OF_RUNS = ("splits.json", "settings.yaml", "model.keras")
"""Files by which a run or a trained model is recognised."""


def check_bundle_output(folder: Path, overwrite: bool = False) -> None:
    """Raises InputError where a bundle cannot be written to `folder`: where it is a file, a run or a trained model,
    where a fold_K holds anything but a model and what was compiled from it, and, without `overwrite`, where a bundle
    lies there already. A bundle whose replacement was interrupted is put back first."""
    restore_replaced(folder.resolve())
    if (models_of_bundle(folder) or (folder / CARD).exists()) and not overwrite:
        message = f"{folder}: holds models, or a {CARD}, already; choose another folder or overwrite it"
        raise InputError(message, options=("overwrite",))


def write_bundle(
    models: Sequence[TrainedModel],
    folder: Path,
    *,
    tiles: Sequence[CalibrationTiles] = (),
    trust: Path | None = None,
    overwrite: bool = False,
    trust_plugins: bool = False,
) -> float:
    """Writes the models with their weights in half precision and a card; returns the megabytes of all.

    `tiles`: of each model; with them, the converted network and the 8-bit one lie beside each model, so that nothing is
    converted where the bundle is used. Where one cannot be made there is a warning, and the bundle is without it.
    `trust`: the file with the calibration of the verdicts on their masks, which becomes the bundle's trust.json.
    The models of an earlier bundle are replaced at once, and what else lies in its folder stays. Raises InputError as
    `check_bundle_output`.
    """
    check_bundle_output(folder, overwrite)
    folder = folder.resolve()
    earlier = models_of_bundle(folder)
    with folder_aside(folder) as aside:
        bundle = aside / folder.name
        bundle.mkdir()
        for number, model in enumerate(models):
            half = replace(model, network=rebuild(model.network, "float16"))
            save_model(bundle / f"fold_{number}" / "model.keras", half)
        if tiles:
            _add_networks([bundle / f"fold_{number}" for number in range(len(models))], tiles, trust_plugins)
        if trust is not None:
            shutil.copyfile(trust, bundle / TRUST)
        write_card(bundle)
        megabytes = sum(path.stat().st_size for path in bundle.glob("fold_*/**/*") if path.is_file()) / 1e6
        beside = [path for path in _content(folder) if path not in earlier and path.name not in (CARD, TRUST)]
        if earlier or not beside:
            for path in beside:  # what describes the bundle, such as a README
                _copy(path, bundle / path.name)
            replace_folder(bundle, folder)
        else:  # a folder of other things; the card comes first, so that a part is never taken for the whole
            for path in sorted(bundle.iterdir()):
                path.rename(folder / path.name)
    return megabytes


def _add_networks(folds: Sequence[Path], tiles: Sequence[CalibrationTiles], trust_plugins: bool) -> None:
    """Puts the converted and the 8-bit network beside each model."""
    from pneumoseg.pipeline.prediction import conversion, quantization

    conversion.convert_ahead([fold / "model.keras" for fold in folds], trust_plugins)
    for fold, of_model in zip(folds, tiles, strict=True):
        try:
            conversion.converted(fold / "model.keras", trust_plugins)
            quantization.make_int8_network(fold / "model.keras", of_model, trust_plugins)
        except (InputError, RuntimeError) as error:  # OpenVINO raises RuntimeError
            reason = " ".join(str(error).split()).removeprefix(f"{fold / 'model.keras'}: ")
            log.warning("%s: bundled without an 8-bit network (%s)", fold.name, reason)
        (fold / LOCK).unlink(missing_ok=True)


def models_of_bundle(folder: Path) -> list[Path]:
    """The folders fold_K of a bundle; none where there is no bundle yet. Raises InputError where `folder` is a file, a
    run or a trained model, or where a fold_K holds anything but a model and what was compiled from it."""
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: a bundle is a folder, found a file; choose another output")
    for name in OF_RUNS:
        if (folder / name).exists():
            raise InputError(f"{folder}: a run or a trained model, found {name}; choose another folder for the bundle")
    folds = sorted(folder.resolve().glob("fold_*"))
    for fold in folds:
        names = {path.name for path in fold.iterdir()} if fold.is_dir() else set()
        others = sorted(name for name in names if name != "model.keras" and not name.startswith((".", "openvino-")))
        if others or "model.keras" not in names:
            content = ", ".join(others[:3]) or "no model.keras"
            raise InputError(f"{fold}: a bundle has model.keras alone there, found {content}; choose another folder")
    return folds


def _content(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def _copy(path: Path, target: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.copytree(path, target, symlinks=True)
    else:
        shutil.copy2(path, target, follow_symlinks=False)
