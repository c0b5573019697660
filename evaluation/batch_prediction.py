"""Segmenting many CT files with one model, or with the folds of a run together."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from data_io import readers
from data_io.errors import InputError
from data_io.layouts import IMAGE_STEM, open_dataset
from data_io.nifti import case_name, is_nifti, write_label_nifti
from data_io.reporting import log, track
from data_io.volume import Volume
from evaluation.run_folder import RunFolder, check_flags
from pipeline import prediction
from pipeline.model_file import load_model
from pipeline.preprocessing import is_windowed, warn_if_odd
from pipeline.settings import Settings


@dataclass(frozen=True, eq=False)
class Predictor:
    """Networks that vote together, and the settings that all of them share."""

    network: Callable
    settings: Settings

    def __call__(self, image: Volume) -> Volume:
        """Segments a CT volume (HU) on its own grid."""
        return prediction.predict_volume(image, self.network, self.settings)


def open_predictor(path: str | Path, folds: Sequence[int] | None = None, trust_plugins: bool = False) -> Predictor:
    """A predictor from a model file, from a folder with model.keras, or from a run folder (all folds, or `folds`).

    Raises InputError where there is no model, or where the folds' settings differ.
    """
    models = [load_model(file, trust_plugins) for file in _model_files(Path(path), folds)]
    settings = models[0].settings
    if any(model.settings.preprocessing != settings.preprocessing for model in models):
        raise InputError(f"{path}: the folds were preprocessed differently and cannot vote together")
    return Predictor(prediction.ensemble([model.network.predict_on_batch for model in models]), settings)


def find_inputs(inputs: Sequence[str | Path]) -> dict[str, Path]:
    """The CT files meant by files and folders, by the name their mask will bear.

    A folder is a dataset in one of the known layouts (its masks are passed over), or holds CT files. A file called
    `imaging` is named by its folder. Raises InputError where there is no CT, or where two would bear one name.
    """
    found: list[tuple[str, Path]] = []
    for given in map(Path, inputs):
        if given.is_dir():
            found += _inside(given)
        elif given.is_file():
            found.append((_mask_name(given), given))
        else:
            raise InputError(f"{given}: no such file or folder")
    names = [name for name, _ in found]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(f"two inputs would be written to one mask: {', '.join(twice)}; give them apart")
    return dict(found)


def predict_files(
    files: Mapping[str, Path],
    output: str | Path,
    predictor: Predictor,
    resume: bool = False,
    overwrite: bool = False,
) -> list[Path]:
    """Writes a mask for each of `files` (as of `find_inputs`) to `output`/NAME.nii.gz, or for a single one to `output`
    itself where that is a NIfTI name.

    Existing masks are refused, kept with `resume`, or replaced with `overwrite`. Raises InputError.
    """
    check_flags(resume, overwrite)
    output = Path(output)
    if is_nifti(output):
        if len(files) != 1:
            raise InputError(f"{output}: one mask for {len(files)} volumes; give a folder as output")
        targets = [output]
    else:
        targets = [output / f"{name}.nii.gz" for name in files]
    for file, target in zip(files.values(), targets, strict=True):
        if target.exists() and target.samefile(file):
            raise InputError(f"{target}: the mask would replace the CT itself; give another output")
        if target.exists() and not (resume or overwrite):
            raise InputError(f"{target}: exists already; use --resume to keep it or --overwrite to replace it")
    for file, target in zip(track(files.values(), "Volumes", len(files)), targets, strict=True):
        if resume and target.exists():
            continue
        image = readers.read_volume(file)
        warn_if_odd(file.name, is_windowed(image.array), image.array.shape[2], predictor.settings.preprocessing)
        write_label_nifti(target, predictor(image), predictor.settings.labels.table)
        log.info("%s -> %s", file, target)
    return targets


def _inside(folder: Path) -> list[tuple[str, Path]]:
    own = [path for path in sorted(folder.iterdir()) if path.is_file() and readers.is_readable(path)]
    scans = [path for path in own if case_name(path) == IMAGE_STEM] or own
    if scans:
        return [(_mask_name(path), path) for path in scans]
    return [(case.name, case.image) for case in open_dataset(folder, need_masks=False)]


def _mask_name(path: Path) -> str:
    return path.resolve().parent.name if case_name(path) == IMAGE_STEM else case_name(path)


def _model_files(path: Path, folds: Sequence[int] | None) -> list[Path]:
    if path.is_file():
        return [path]
    if (path / "model.keras").is_file():
        return [path / "model.keras"]
    run = RunFolder(path)
    found = sorted(
        (int(folder.name.removeprefix("fold_")), folder / "model.keras")
        for folder in path.glob("fold_*")
        if folder.name.removeprefix("fold_").isdigit() and (folder / "model.keras").is_file()
    )
    if folds is not None:
        missing = [fold for fold in folds if fold not in dict(found)]
        if missing:
            raise InputError(f"{run.fold(missing[0])}: no model.keras there; finished folds: {list(dict(found))}")
        return [dict(found)[fold] for fold in folds]
    if not found:
        raise InputError(f"{path}: no model there; give a model.keras, or a run folder with fold_0/model.keras")
    return [file for _, file in found]
