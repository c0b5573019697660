"""The tables that scored masks leave beside their scores: lesions.csv, confusion.csv and pooled.csv, and where there
are probabilities probability_histograms.csv."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.storage.csv_files import read_cells, read_table, write_table
from pneumoseg.data_io.volumes.labels import LabelTable
from pneumoseg.evaluation.measures import lesions
from pneumoseg.evaluation.scoring.case_scores import CaseScores
from pneumoseg.evaluation.scoring.pooled import write_pooled
from pneumoseg.evaluation.scoring.probability_histograms import HISTOGRAMS, read_histograms, write_histograms

"""The table of scores, of every kind of prediction; written last, it says that all is there."""

LESIONS = "lesions.csv"
CONFUSION = "confusion.csv"
CORNER = "reference"


def write_counts(folder: Path, scored: Sequence[CaseScores], labels: LabelTable) -> None:
    """Writes lesions.csv, confusion.csv and pooled.csv.

    lesions.csv has one row per connected piece; confusion.csv has voxels, summed over the cases, a row per reference
    class and a column per predicted class; pooled.csv the scores that these counts give (`pooled.pooled_table`). Where
    all cases have histograms of probabilities, their sum is probability_histograms.csv.
    """
    pieces = pd.DataFrame([row for one in scored for row in one.lesions], columns=list(lesions.COLUMNS))
    matrices: dict[int, np.ndarray] = {}
    histograms: dict[int, np.ndarray] = {}
    for one in scored:
        fold = one.rows[0]["fold"]
        matrices[fold] = matrices.get(fold, 0) + one.confusion
        if one.histograms is not None:
            histograms[fold] = histograms.get(fold, 0) + one.histograms.astype(np.int64)
    if any(one.histograms is None for one in scored):
        histograms = {}  # of some cases alone they would be compared with scores of all
    write_table(pieces, folder / LESIONS)
    _write_sums(folder, matrices, histograms, labels.names)


def merge_counts(folders: Sequence[Path], target: Path) -> None:
    """Writes `target`/lesions.csv, all rows of the folders', `target`/confusion.csv, their sum, and pooled.csv; also
    probability_histograms.csv, the sum, where all folders have that.

    `folders`: of the folds 0, 1, 2 and so on, in this order.

    Folders without such files, from before they were written, leave both out. Raises InputError for other content.
    """
    if not all((folder / name).is_file() for folder in folders for name in (LESIONS, CONFUSION)):
        return
    rows = [_read_lesions(folder / LESIONS) for folder in folders]
    write_table(pd.concat(rows, ignore_index=True), target / LESIONS)
    matrices = [read_confusion(folder / CONFUSION) for folder in folders]
    for folder, (_, names) in zip(folders, matrices, strict=True):
        if names != matrices[0][1]:
            raise InputError(f"{folder / CONFUSION}: the classes of {folders[0] / CONFUSION} are needed, found {names}")
    names, histograms = matrices[0][1], {}
    if all((folder / HISTOGRAMS).is_file() for folder in folders):
        histograms = {fold: read_histograms(folder / HISTOGRAMS, names) for fold, folder in enumerate(folders)}
    _write_sums(target, {fold: matrix for fold, (matrix, _) in enumerate(matrices)}, histograms, names)


def read_confusion(path: Path) -> tuple[np.ndarray, tuple[str, ...]]:
    """Voxels by reference and predicted class, int64 (classes, classes), and the classes' names.

    Raises InputError for a file that is not such a table.
    """
    try:
        # Everything as text, the header too: a class may be named "007", "NA" or "reference".
        cells = np.array(read_cells(path), dtype=object)
        matrix = cells[1:, 1:].astype(np.int64)
    except (ValueError, OverflowError, OSError) as error:
        raise InputError(f"{path}: not a table of voxels by class ({' '.join(str(error).split())[:200]})") from error
    names, rows = tuple(cells[0, 1:]), tuple(cells[1:, 0])
    if cells[0, 0] != CORNER or rows != names:
        raise InputError(
            f"{path}: a table of voxels by class begins with {CORNER} and has the same classes in rows and columns, "
            f"found {cells[0, 0]}, {list(rows)} and {list(names)}"
        )
    return matrix, names


def _read_lesions(path: Path) -> pd.DataFrame:
    """The rows of lesions.csv as the text they are."""
    try:
        table = read_table(path)
    except (ValueError, OSError) as error:
        raise InputError(f"{path}: not a table of lesions ({' '.join(str(error).split())[:200]})") from error
    if list(table.columns) != list(lesions.COLUMNS):
        raise InputError(f"{path}: a table of lesions has the columns {', '.join(lesions.COLUMNS)}; score it again")
    return table


def _write_sums(
    folder: Path, matrices: Mapping[int, np.ndarray], histograms: Mapping[int, np.ndarray], names: Sequence[str]
) -> None:
    """Writes the sums of the folds' matrices and histograms, and the pooled scores."""
    write_table(_labelled(np.sum(list(matrices.values()), axis=0), names), folder / CONFUSION)
    if histograms:
        write_histograms(folder, np.sum(list(histograms.values()), axis=0), names)
    else:
        (folder / HISTOGRAMS).unlink(missing_ok=True)  # of an earlier scoring
    write_pooled(folder, matrices, names, histograms=histograms)


def _labelled(counts: np.ndarray, names: Sequence[str]) -> pd.DataFrame:
    table = pd.DataFrame(counts, columns=list(names))
    table.insert(0, CORNER, list(names), allow_duplicates=True)  # a class may have this name
    return table
