"""What is wrong with the scores of studies, in sentences."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from pneumoseg.evaluation.scoring.study_columns import DISEASE

ALIKE = 1e-4
"""Predictions of a class that differ by less are one and the same."""


def study_warnings(detailed: pd.DataFrame) -> Iterator[str]:
    """Of the score table of a fold: every study is predicted alike, as by a network that has learnt nothing; all test
    studies have one label, so that there is no AUC."""
    for name, rows in detailed.groupby("class", sort=False):
        if len(rows) > 1 and np.ptp(rows["predicted"]) < ALIKE < np.ptp(rows["given"]):
            yield f"{name}: all {len(rows)} studies are predicted alike; has the network learnt nothing?"
    given = detailed.loc[detailed["class"] == DISEASE, "given"]
    if len(given) and given.nunique() == 1:
        label = "diseased" if given.iloc[0] else "healthy"
        yield f"{DISEASE}: all {len(given)} test studies are {label}: no AUC, and no {_absent(label)}"


def _absent(label: str) -> str:
    return "specificity" if label == "diseased" else "sensitivity"
