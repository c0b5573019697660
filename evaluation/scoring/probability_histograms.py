"""Histograms of the classes' probabilities inside and outside the reference, and the AUC that they give."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.probability_levels import LEVELS
from pneumoseg.data_io.storage.csv_files import read_table, write_table
from pneumoseg.evaluation.measures.ranking import auc_of_histograms

HISTOGRAMS = "probability_histograms.csv"
COLUMNS = ("class", "level", "inside", "outside")


def class_areas(histograms: np.ndarray, names: Sequence[str]) -> dict[str, float]:
    """The area under the ROC curve of each class, NaN where no voxel or every voxel is of it.

    `histograms`: (classes, 2, LEVELS), inside and outside; `names`: of the classes.
    """
    return {name: auc_of_histograms(*of_class) for name, of_class in zip(names, histograms, strict=True)}


def write_histograms(folder: Path, histograms: np.ndarray, names: Sequence[str]) -> None:
    """Writes `folder`/probability_histograms.csv: numbers of voxels by class and level (`formats.probability_levels`),
    without the levels that no voxel has. Arguments as of `class_areas`."""
    labels, levels = np.nonzero(histograms.any(axis=1))
    inside, outside = histograms[labels, :, levels].T
    columns = (np.array(names, object)[labels], levels, inside, outside)
    write_table(pd.DataFrame(dict(zip(COLUMNS, columns, strict=True))), folder / HISTOGRAMS)


def read_histograms(path: Path, names: Sequence[str]) -> np.ndarray:
    """What `write_histograms` wrote, int64 (classes, 2, LEVELS). Raises InputError for another content."""
    table = read_table(path)
    if tuple(table.columns) != COLUMNS:
        raise InputError(f"{path}: the columns {', '.join(COLUMNS)} are needed, found {', '.join(table.columns)}")
    numbers = table[list(COLUMNS[1:])]
    whole = all(kind.kind in "iu" for kind in numbers.dtypes)
    if not whole or (numbers < 0).any(axis=None) or (numbers["level"] >= LEVELS).any():
        raise InputError(f"{path}: level is 0..{LEVELS - 1}, inside and outside are numbers of voxels; score it again")
    if others := sorted(set(table["class"]) - set(names)):
        raise InputError(f"{path}: the classes are {', '.join(names)}, found {', '.join(others)}; score it again")
    histograms = np.zeros((len(names), 2, LEVELS), np.int64)
    labels = table["class"].map({name: label for label, name in enumerate(names)}).to_numpy(int)
    histograms[labels, :, table["level"].to_numpy()] = table[["inside", "outside"]].to_numpy()
    return histograms
