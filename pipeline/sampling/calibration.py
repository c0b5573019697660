"""Tiles for making an 8-bit network: those that it is calibrated on, and others that it is compared on.

They are plain patches of training cases, kept in a file beside the model, never in a bundle.
"""

import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from pneumoseg.data_io.console import log
from pneumoseg.data_io.datasets.dataset import Dataset
from pneumoseg.data_io.datasets.layouts import open_dataset
from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.phantoms.generate import write_phantoms
from pneumoseg.data_io.storage.atomic import write_aside
from pneumoseg.pipeline.preprocessing.case_store import CaseStore, StoredCase
from pneumoseg.pipeline.preprocessing.preprocessor import Preprocessor
from pneumoseg.pipeline.sampling import batches, patches
from pneumoseg.pipeline.settings.schema import Settings

FILE_NAME = "calibration.npz"
CALIBRATING, COMPARING = 16, 16
LARGEST_CASES = 12
LARGEST_VOXELS = 2**18
"""Of one tile; the ranges of a network's values hardly depend on the size."""
PHANTOMS, PHANTOM_SHAPE = 6, (96, 96, 48)
DAMAGED = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error)


@dataclass(frozen=True, eq=False)
class CalibrationTiles:
    """Normalised tiles, float32 (n, x, y[, z], channels). `calibrating`: ranges are taken from them; `comparing`: the
    8-bit network must agree with the other one on them. They are of different cases where there are two or more."""

    calibrating: np.ndarray
    comparing: np.ndarray


def draw_tiles(cases: Sequence[StoredCase], settings: Settings) -> CalibrationTiles:
    """Tiles of prepared cases, as many centred on each class as on each other class; the seed decides which."""
    shape = patches.capped_shape(settings, LARGEST_VOXELS)
    settings = settings.model_copy(update={"patches": settings.patches.model_copy(update={"shape": shape})})
    count = max(1, len(cases) // 3)
    comparing, calibrating = cases[:count], cases[count:] or cases
    return CalibrationTiles(
        batches.plain_batch(calibrating, settings, CALIBRATING, stream=batches.CALIBRATION).images,
        batches.plain_batch(comparing, settings, COMPARING, stream=batches.COMPARISON).images,
    )


def tiles_of_dataset(dataset: Dataset, settings: Settings, store: Path) -> CalibrationTiles:
    """Tiles of at most 12 cases of a dataset with masks; prepared cases are kept in `store`. Raises InputError as
    `CaseStore.get`."""
    cases = CaseStore(store, Preprocessor(settings.preprocessing), settings.labels.table)
    some = dataset.cases[:: -(-len(dataset) // LARGEST_CASES)]
    return draw_tiles([cases.get(case) for case in some], settings)


def tiles_of_phantoms(settings: Settings) -> CalibrationTiles:
    """Tiles of generated CTs. Raises InputError where the model's classes are not those of the lungs in them.

    On two networks and tiles of four patients, six times (batch normalisation) and three times (instance normalisation)
    as many voxels changed their class by 8 bit as with tiles of training cases.
    """
    with TemporaryDirectory() as folder:
        write_phantoms(Path(folder) / "data", PHANTOMS, shape=PHANTOM_SHAPE, seed=0)
        return tiles_of_dataset(open_dataset(Path(folder) / "data"), settings, Path(folder))


def tiles_beside(model: Path, settings: Settings) -> CalibrationTiles:
    """The tiles in the file beside a model file, or generated ones where there is none. Raises InputError as
    `load_tiles` and `tiles_of_phantoms`."""
    path = model.with_name(FILE_NAME)
    if path.is_file():
        return load_tiles(path, settings)
    log.warning("%s: no %s beside it; 8 bit is calibrated on generated CTs, less accurately", model, FILE_NAME)
    return tiles_of_phantoms(settings)


def save_tiles(path: Path, tiles: CalibrationTiles) -> None:
    """Writes the tiles in half precision, whole or not at all."""
    calibrating, comparing = (array.astype(np.float16) for array in (tiles.calibrating, tiles.comparing))
    with write_aside(path) as aside, open(aside, "wb") as file:
        np.savez_compressed(file, calibrating=calibrating, comparing=comparing)


def load_tiles(path: Path, settings: Settings) -> CalibrationTiles:
    """Reads tiles. Raises InputError where the file is missing, damaged, or not of a model of these settings."""
    limits = {"calibrating": CALIBRATING, "comparing": COMPARING}
    shape = (*patches.capped_shape(settings, LARGEST_VOXELS), settings.channels)
    try:
        with zipfile.ZipFile(path) as archive:
            sizes = {entry.filename: entry.file_size for entry in archive.infolist()}
            for name, count in limits.items():
                if sizes[f"{name}.npy"] > 2 * count * np.prod(shape) + 4096:
                    raise ValueError(f"{name} holds more than {count} tiles")
        with np.load(path, allow_pickle=False) as arrays:
            tiles = {name: arrays[name].astype(np.float32) for name in limits}
        for name, array in tiles.items():
            if array.shape[1:] != shape or not len(array) or not np.isfinite(array).all():
                raise ValueError(f"{name} holds finite tiles of {list(shape)}, found {list(array.shape)}")
    except DAMAGED as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{path}: no readable tiles for calibration ({reason}); remove the file") from error
    return CalibrationTiles(**tiles)
