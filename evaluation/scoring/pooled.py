"""Pooled scores: from the voxels of all test cases counted together, one number where the other tables have a mean.

The confusion matrices of the cases are added up, so that each voxel (pixel) counts alike; in a mean over cases each
case does. Cases with much of a class weigh more here, and those without it count with their false voxels.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.storage.csv_files import read_table, write_table
from pneumoseg.evaluation.measures.overlap import OVERLAP_SCORES, jaccard_distance, mask_counts
from pneumoseg.evaluation.scoring.mask_columns import default_groups
from pneumoseg.evaluation.scoring.probability_histograms import class_areas
from pneumoseg.evaluation.scoring.tables import ALL_FOLDS

POOLED = "pooled.csv"
POOLED_SCORES = {**OVERLAP_SCORES, "jaccard_distance": jaccard_distance}
"""The scores that counts of voxels give, by their column names."""

COLUMNS = ("fold", "class", *POOLED_SCORES)

AUC = "auc"
"""A further column where the probabilities were kept."""


def pooled_table(
    matrices: Mapping[int, np.ndarray], names: Sequence[str], *, histograms: Mapping[int, np.ndarray] | None = None
) -> pd.DataFrame:
    """One row per fold x class, then fold "all", the sum of the folds, x class; `fold` is text. Columns: `COLUMNS`, and
    with `histograms` `AUC`.

    `matrices`: voxels by reference and predicted class, int64 (classes, classes), summed over the test cases of each
    fold; `names`: of the classes. After the classes come the groups of `default_groups`. `histograms`: of the same
    folds, of the probabilities, int64 (classes, 2, LEVELS). NaN where a score is undefined.
    """
    members = {name: (label,) for label, name in enumerate(names)} | default_groups(names)
    areas = {fold: class_areas(one, names) for fold, one in _with_sum(histograms).items()} if histograms else {}
    rows = []
    for fold, matrix in _with_sum(matrices).items():
        for name, group in members.items():
            counts = mask_counts(matrix, group)
            scores = {score: formula(counts) for score, formula in POOLED_SCORES.items()}
            if areas:
                scores[AUC] = areas[fold].get(name, float("nan"))  # a group has no probability of its own
            rows.append({"fold": fold, "class": name, **scores})
    return pd.DataFrame(rows, columns=[*COLUMNS, AUC] if areas else list(COLUMNS))


def _with_sum(of_folds: Mapping[int, np.ndarray]) -> dict[str, np.ndarray]:
    """The arrays of the folds by their numbers as text, and at last their sum."""
    parts = {str(fold): np.asarray(part) for fold, part in of_folds.items()}
    return {**parts, ALL_FOLDS: np.sum(list(parts.values()), axis=0)}


def write_pooled(
    folder: Path,
    matrices: Mapping[int, np.ndarray],
    names: Sequence[str],
    *,
    histograms: Mapping[int, np.ndarray] | None = None,
) -> None:
    """Writes `folder`/pooled.csv, the `pooled_table`."""
    write_table(pooled_table(matrices, names, histograms=histograms), folder / POOLED)


def read_pooled(path: Path) -> pd.DataFrame:
    """The table that `write_pooled` wrote, with or without `AUC`. Raises InputError for another content."""
    table = read_table(path, text_columns=("fold", "class"))
    if missing := [column for column in COLUMNS if column not in table]:
        raise InputError(f"{path}: columns missing: {', '.join(missing)}; score the run again (pneumoseg report)")
    try:
        return table.astype({score: float for score in (*POOLED_SCORES, AUC) if score in table})
    except (ValueError, TypeError) as error:
        raise InputError(f"{path}: scores are numbers, found text ({error}); score the run again") from error
