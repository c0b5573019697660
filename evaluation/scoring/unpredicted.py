"""Classes that a fold's network never predicts, though the references of its test cases have them."""

from collections.abc import Iterator

import pandas as pd

from pneumoseg.evaluation.scoring.mask_columns import MASK_COLUMNS

FEWEST_CASES = 2
"""One case may be missed by a network that has learnt something."""


def unpredicted_classes(detailed: pd.DataFrame) -> Iterator[str]:
    """Yields a sentence for each class that several references have and no prediction has. `detailed`: of one fold."""
    for name, rows in detailed.groupby("class", sort=False):
        present = rows[rows["volume_reference_ml"] > 0]
        if name in MASK_COLUMNS.left_out or len(present) < FEWEST_CASES or rows["volume_prediction_ml"].any():
            continue
        yield (
            f"{name} is in the reference of {len(present)} test cases and in no prediction; if the loss in history.csv "
            "stands still, train with a lower training.learning_rate or with training.gradient_clip_norm"
        )
