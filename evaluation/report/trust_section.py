"""What a report says of the verdicts on its masks: how well Dice is predicted, and the verdict on each case."""

from pathlib import Path

import pandas as pd

from pneumoseg.evaluation.figures.saving import save_figure
from pneumoseg.evaluation.figures.trust import trust_figure
from pneumoseg.evaluation.measures.trust import COVERAGE, SMALLEST_ML
from pneumoseg.evaluation.report import html
from pneumoseg.evaluation.report.score_figures import Figures
from pneumoseg.evaluation.scoring.mask_columns import LESIONS
from pneumoseg.evaluation.scoring.tables import decimals, interval
from pneumoseg.evaluation.scoring.trust_table import TABLE, read_trust, trust_figures

MEANING = (
    "The Dice of each mask as its prediction alone lets expect it: from the entropy of the probabilities, the "
    "disagreement of voters, and the distance of the CT from the training cases. Each case is judged by a calibration "
    f"on all other patients. An interval should hold the true Dice in {COVERAGE:.0%} of the cases; the coverage here "
    "rests on the few cases that the table counts."
)


def draw_trust(folder: Path) -> Figures:
    """Draws predicted against true Dice to `folder`/figures/trust.png; caption and path, nothing without trust.csv or
    predictions in it."""
    if not (folder / TABLE).is_file():
        return []
    table = read_trust(folder / TABLE, judged=True)
    if not table["predicted_dice"].notna().any():
        return []
    path = folder / "figures" / "trust.png"
    save_figure(trust_figure(table), path)
    return [("Dice predicted without a reference, with its interval, against the true one; by verdict", path)]


def trust_sections(folder: Path) -> dict[str, list[str]]:
    """The section "Trust" of the run in `folder`; none without trust.csv. Raises InputError where that holds something
    else."""
    if not (folder / TABLE).is_file():
        return {}
    table = read_trust(folder / TABLE, judged=True)
    return {"Trust": [html.paragraph(MEANING), _figures_table(table), _cases_table(table)]}


def _figures_table(table: pd.DataFrame) -> str:
    header = ["class", "cases", "Spearman", "mean absolute error", "coverage of intervals"]
    header += [f"no prediction (< {SMALLEST_ML:g} ml found)", f"< {SMALLEST_ML:g} ml in the reference"]
    rows = []
    for name in table["class"].drop_duplicates():
        found = trust_figures(table, name)
        scores = [decimals(found["spearman"], 2), decimals(found["mean_absolute_error"])]
        rows.append([name, found["cases"], *scores, decimals(found["coverage"], 2), found["without"], found["below"]])
    caption = f"Predicted against true Dice, over cases with at least {SMALLEST_ML:g} ml of the class in the reference."
    return html.table(caption, header, rows)


def _cases_table(table: pd.DataFrame) -> str:
    """A row per case, with the Dice of the lesions, or of the last class that there is."""
    names = list(table["class"].drop_duplicates())
    name = next((name for name in LESIONS if name in names), names[-1])
    rows = [
        [
            row["case"],
            row["fold"],
            row["verdict"],
            decimals(row["predicted_dice"], 2),
            interval(row["low"], row["high"], 2),
            decimals(row["dice"], 2),
            row["reasons"],
        ]
        for row in table[table["class"] == name].sort_values("predicted_dice").to_dict("records")
    ]
    header = ["case", "fold", "verdict", f"predicted Dice of {name}", "interval", "Dice", "reasons"]
    return html.table("The verdict on each mask, the lowest predicted Dice first.", header, rows, kind="text")
