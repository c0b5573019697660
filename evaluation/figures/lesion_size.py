"""Do small lesions score worse? The score of each case against the reference volume."""

import numpy as np
import pandas as pd
import scipy
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pneumoseg.data_io.errors import InputError, nearest
from pneumoseg.evaluation.figures.log_axis import log_axis
from pneumoseg.evaluation.figures.saving import FONT_POINTS, new_figure
from pneumoseg.evaluation.figures.score_axis import FoldMarks, fold_legend, fold_marks, score_axis
from pneumoseg.evaluation.figures.volumes import LEAST_CASES, class_rows
from pneumoseg.evaluation.scoring.mask_columns import SCORES, TITLES

SIZE = "volume_reference_ml"


def score_against_size(detailed: pd.DataFrame, class_name: str = "infection", score: str = "dice") -> Figure:
    """The score of each case against the class's reference volume in ml (logarithmic axis), marked by fold.

    Cases whose reference is empty stand in a grey band of their own at the left: their scores are set by convention
    (`scoring.case_scores`), so they do not count in Spearman's rank correlation, which is written above with its n (not
    for fewer than 3 cases, nor where all volumes or all scores are equal). Cases with an undefined score or without a
    volume are not drawn; their number is written above. `detailed`: as `scoring.tables.detailed_table`. Raises
    InputError for a score that does not exist and for a class that the table lacks.
    """
    if score not in SCORES:
        raise InputError(f"the score must be one of the table's, found {score}{nearest(score, SCORES)}")
    rows = class_rows(detailed, class_name)
    known = rows.dropna(subset=[score, SIZE])
    sized, empty = known[known[SIZE] > 0], known[known[SIZE] == 0]
    marks = fold_marks(rows["fold"])

    figure = new_figure(7.5, 5.2)
    if empty.empty:
        axes = figure.subplots()
        left = axes
    else:
        left, axes = figure.subplots(1, 2, sharey=True, width_ratios=(1, 6.5))
        _empty_band(left, empty, score, marks)
        axes.spines["left"].set_visible(False)
        axes.tick_params(axis="y", left=False)
    _sized_panel(axes, sized, score, marks)
    panels = list(dict.fromkeys((left, axes)))
    score_axis(panels, known[score].to_numpy(dtype=float), score)
    left.set_ylabel(TITLES[score], fontsize=FONT_POINTS + 1)
    axes.set_xlabel(f"reference volume of {class_name} (ml)", fontsize=FONT_POINTS + 1)
    for panel in panels:
        panel.grid(color="0.88" if panel is axes else "0.8", axis="both" if panel is axes else "y")
        panel.set_axisbelow(True)
        panel.spines[["top", "right"]].set_visible(False)
        panel.tick_params(labelsize=FONT_POINTS - 1)
    undefined = len(rows) - len(known)
    not_drawn = f"\nnot drawn: {undefined} with an undefined score" if undefined else ""
    figure.suptitle(_correlation(sized, score) + not_drawn, fontsize=FONT_POINTS)
    fold_legend(figure, marks)
    return figure


def _correlation(sized: pd.DataFrame, score: str) -> str:
    count = f"n = {len(sized)}"
    if len(sized) < LEAST_CASES:
        return f"{count}: too few cases for a rank correlation"
    if sized[SIZE].nunique() == 1 or sized[score].nunique() == 1:
        return (
            f"{count}: no rank correlation where all {'volumes' if sized[SIZE].nunique() == 1 else 'scores'} are equal"
        )
    rho = float(scipy.stats.spearmanr(sized[SIZE], sized[score]).statistic)
    return f"Spearman's ρ = {rho:.2f} ({count})".replace("-", "−")


def _sized_panel(axes: Axes, sized: pd.DataFrame, score: str, marks: FoldMarks) -> None:
    if sized.empty:
        axes.set_xticks([])
        text = "no case with this class\nin the reference and a defined score"
        axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", fontsize=FONT_POINTS)
        return
    low, high = sized[SIZE].min(), sized[SIZE].max()
    margin = max((high / low) ** 0.06, 1.3) if high > 1.5 * low else 3.0
    axes.set_xlim(low / margin, high * margin)
    log_axis(axes, "x")
    _draw(axes, sized[SIZE].to_numpy(dtype=float), sized, score, marks)


def _empty_band(axes: Axes, empty: pd.DataFrame, score: str, marks: FoldMarks) -> None:
    aside = np.linspace(-0.3, 0.3, len(empty)) if len(empty) > 1 else np.zeros(1)  # side by side, not on each other
    axes.set_facecolor("0.92")
    axes.set_xlim(-0.5, 0.5)
    axes.set_xticks([0], [f"reference\nempty\nn = {len(empty)}"])
    _draw(axes, aside, empty, score, marks)


def _draw(axes: Axes, x: np.ndarray, drawn: pd.DataFrame, score: str, marks: FoldMarks) -> None:
    for fold, (mark, colour) in marks.items():
        rows = (drawn["fold"] == fold).to_numpy()
        if not rows.any():
            continue
        axes.plot(
            x[rows], drawn[score].to_numpy(dtype=float)[rows], linestyle="none", marker=mark, color=colour,
            markersize=7.5, markeredgecolor="white", markeredgewidth=0.6, label=f"fold {fold}", zorder=3, clip_on=False,
        )  # fmt: skip
