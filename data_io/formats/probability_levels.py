"""Probabilities of classes in 4096 levels that keep the ranking of voxels, as an array and as a file.

Half of the way from the lowest level to the highest is linear in the probability, the other half in its log odds: so
voxels of 1e-6 and 1e-4 stay apart, which equal steps of the probability would make ties, and so do those of 0.500 and
0.501. The area under the ROC curve of the levels is that of the probabilities to 1e-4, or to 1e-3 where nearly all of
these differ by less than a tenth in their log odds.
"""

import zipfile
import zlib
from pathlib import Path

import numpy as np

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.storage.atomic import write_aside

LEVELS = 4096
LARGEST_LOG_ODDS = 20.0
"""Probabilities beyond, 2e-9 and less, are in the last level or the first."""
DAMAGED = (OSError, ValueError, KeyError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error)


def probability_levels(probabilities: np.ndarray) -> np.ndarray:
    """The level of each probability, uint16 from 0 to `LEVELS` - 1: the larger the probability, the higher.

    `probabilities`: float, 0 to 1, of any shape.

    >>> probability_levels(np.array([0.0, 1e-6, 0.5, 1.0]))
    array([   0,  317, 2048, 4095], dtype=uint16)
    """
    probabilities = np.clip(probabilities, 0, 1)  # a mean of 1.0000001 may come of rounding
    with np.errstate(divide="ignore"):  # 0 and 1 have infinite log odds
        log_odds = np.log(probabilities) - np.log1p(-probabilities)
    share = (np.clip(log_odds / LARGEST_LOG_ODDS, -1, 1) + 1) / 2
    return np.rint((probabilities + share) / 2 * (LEVELS - 1)).astype(np.uint16)


def write_levels(path: Path, levels: np.ndarray) -> None:
    """Writes levels, uint16 (x, y, z, classes), as a compressed npz file, whole or not at all."""
    with write_aside(path) as aside, open(aside, "wb") as file:
        np.savez_compressed(file, levels=levels)


def read_levels(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    """The levels of a file, uint16 (x, y, z, classes). Raises InputError where it is damaged or of another shape."""
    try:
        with zipfile.ZipFile(path) as archive, archive.open("levels.npy") as file:  # looked at before memory is taken
            version = np.lib.format.read_magic(file)
            if version != (1, 0):
                raise ValueError(f"version {version} of the array's format")
            found, _, dtype = np.lib.format.read_array_header_1_0(file)
        if (found, dtype) != (shape, np.uint16):
            raise ValueError(f"uint16 of shape {list(shape)} are needed, found {dtype} of {list(found)}")
        with np.load(path, allow_pickle=False) as arrays:
            levels = arrays["levels"]
        if levels.max(initial=0) >= LEVELS:
            raise ValueError(f"levels are 0..{LEVELS - 1}, found {levels.max()}")
    except DAMAGED as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{path}: no readable probabilities ({reason}); remove the file") from error
    return levels
