"""What a report shows by source: cases with a class and cases without it apart."""

import pandas as pd

from pneumoseg.evaluation.report import html
from pneumoseg.evaluation.scoring.sources import meanings
from pneumoseg.evaluation.scoring.tables import decimals, interval

HEADER = (
    *("source", "class", "positive cases", "Dice mean", "95 % interval", "NSD mean", "negative cases"),
    *("false positives, mean (ml)", "largest (ml)"),
)


def source_sections(table: pd.DataFrame | None) -> dict[str, list[str]]:
    """The section "By source" as of `scoring.sources.source_table`; none where there is no table."""
    if table is None:
        return {}
    rows = [
        [
            *(row["source"], row["class"], row["positive_cases"], decimals(row["dice_mean"])),
            *(interval(row["dice_ci95_low"], row["dice_ci95_high"]), decimals(row["nsd_mean"]), row["negative_cases"]),
            *(decimals(row["false_positive_ml_mean"], 2), decimals(row["false_positive_ml_largest"], 2)),
        ]
        for row in table.to_dict("records")
    ]
    note = [html.note(text) for text in meanings(table)]
    return {"By source": [*note, html.table("Positive and negative cases apart, by source and class.", HEADER, rows)]}
