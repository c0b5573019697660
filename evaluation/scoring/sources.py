"""Scores by source, and how much is found where there is nothing: cases with a class and cases without it apart."""

from collections.abc import Iterator

import pandas as pd

from pneumoseg.evaluation.measures.statistics import bootstrap_interval
from pneumoseg.evaluation.scoring.mask_columns import LESIONS, MASK_COLUMNS
from pneumoseg.evaluation.scoring.tables import aligned, decimals, interval, per_case

ALL_SOURCES = "all"
POSITIVE_ML = 1.0
"""Of a lesion class, from which volume of the reference on a case has it, by default: below, one voxel decides Dice."""

COLUMNS = (
    *("source", "class", "cases", "positive_ml", "positive_cases", "dice_mean", "dice_ci95_low", "dice_ci95_high"),
    *("nsd_mean", "negative_cases", "false_positive_ml_mean", "false_positive_ml_largest"),
)
"""Columns of cv_results.by_source.csv."""


def source_table(detailed: pd.DataFrame, *, positive_ml: float = POSITIVE_ML) -> pd.DataFrame | None:
    """One row per source x class, then source "all" x class, columns `COLUMNS`; the background is left out.

    Of the LESIONS, the positive cases have at least `positive_ml` in the reference; of another class those that have
    it. `dice_mean` with its 95 % bootstrap interval and `nsd_mean` are over the positive cases, `false_positive_ml_` is
    the volume predicted beside the reference in the others. A case that several folds tested counts once, one whose
    class is not labelled not at all.

    None where that says nothing: no case without lesions, and no sources, or so many that they have fewer than two
    cases on average.
    """
    measured = detailed[~detailed["class"].isin(MASK_COLUMNS.left_out)]
    false_ml = measured["volume_prediction_ml"] * (1.0 - measured["precision"].fillna(0.0))
    columns = ["dice", "nsd", "volume_reference_ml", "false_ml"]
    values = per_case(measured.assign(false_ml=false_ml), columns).reset_index()
    values["source"] = values["case"].map(detailed.groupby("case")["source"].first())
    count = values["source"].nunique()
    by_source = values.groupby("source") if 2 <= count <= values["case"].nunique() / 2 else ()
    parts = [(str(source), part) for source, part in by_source] + [(ALL_SOURCES, values)]
    rows = [row for source, part in parts for row in _rows(source, part, positive_ml)]
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    negatives = table.loc[table["class"].isin(LESIONS), "negative_cases"].sum()
    return table if len(parts) > 1 or negatives else None


def _rows(source: str, values: pd.DataFrame, positive_ml: float) -> Iterator[dict]:
    for name, of_class in values.groupby("class", sort=False):
        labelled = of_class.dropna(subset=["volume_reference_ml"])
        reference_ml, limit_ml = labelled["volume_reference_ml"], positive_ml if name in LESIONS else 0.0
        is_positive = (reference_ml > 0) & (reference_ml >= limit_ml)
        positives, false_ml = labelled[is_positive], labelled.loc[~is_positive, "false_ml"]
        low, high = bootstrap_interval(positives["dice"].to_numpy(float))
        numbers = (len(labelled), limit_ml, len(positives), positives["dice"].mean(), low, high)
        further = (positives["nsd"].mean(), len(false_ml), false_ml.mean(), false_ml.max())
        yield dict(zip(COLUMNS, (source, name, *numbers, *further), strict=True))


def source_lines(table: pd.DataFrame) -> str:
    """The `source_table` for the terminal."""
    header = ("source", "class", "positive", "Dice mean", "95 % interval", "NSD", "negative", "false ml", "largest")
    rows: list[tuple[str, ...]] = [header]
    for row in table.to_dict("records"):
        cases = str(row["positive_cases"]), str(row["negative_cases"])
        dice = decimals(row["dice_mean"]), interval(row["dice_ci95_low"], row["dice_ci95_high"])
        false_ml = decimals(row["false_positive_ml_mean"], 1), decimals(row["false_positive_ml_largest"], 1)
        rows.append((row["source"], row["class"], cases[0], *dice, decimals(row["nsd_mean"]), cases[1], *false_ml))
    return "\n".join([*aligned(rows, text_columns=2), *meanings(table)])


def meanings(table: pd.DataFrame) -> list[str]:
    """What is positive and negative in a `source_table`, in words."""
    limits = table.loc[table["class"].isin(LESIONS), ["class", "positive_ml"]].drop_duplicates()
    lesions = [f"{name}: at least {limit:g} ml" for name, limit in limits.itertuples(index=False)]
    return [
        "Positive: cases that have the class in the reference" + (f" ({', '.join(lesions)})" if lesions else "") + "; "
        "false ml: the volume predicted beside the reference in the others."
    ]
