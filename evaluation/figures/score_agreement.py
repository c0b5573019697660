"""Predicted against given severity scores: as points over the categories, and their differences (Bland & Altman)."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pneumoseg.evaluation.figures.saving import COLOURS, FONT_POINTS, new_figure
from pneumoseg.evaluation.figures.score_axis import fold_legend, fold_marks
from pneumoseg.evaluation.measures.agreement import bland_altman
from pneumoseg.evaluation.measures.severity import CATEGORIES

PANEL_IN = 5.4
EXACT, WITHIN_ONE = "#DCEAF5", "#F1F6FA"


def score_agreement(scored: pd.DataFrame, *, predicted_by: str = "predicted") -> Figure:
    """Left: predicted against given score; dark squares hold the right category, light ones those one off. Right: the
    difference against the mean of both, with bias and limits of agreement.

    `scored`: a row per study, as of `scoring.study_predictions.with_scores`: fold, given_score, predicted_score.
    `predicted_by`: the name of what predicted, on the axes.
    """
    figure = new_figure(2 * PANEL_IN, PANEL_IN + 0.3)
    scatter, differences = figure.subplots(1, 2)
    given, predicted = scored["given_score"].to_numpy(float), scored["predicted_score"].to_numpy(float)
    marks = fold_marks(scored["fold"])
    for fold, (mark, colour) in marks.items():
        of_fold = (scored["fold"] == fold).to_numpy()
        style = {"linestyle": "", "marker": mark, "color": colour, "markersize": 6, "alpha": 0.8, "zorder": 3}
        scatter.plot(given[of_fold], predicted[of_fold], label=f"fold {fold}", **style)
        mean, difference = (given + predicted)[of_fold] / 2, (predicted - given)[of_fold]
        differences.plot(mean, difference, label=f"fold {fold}", **style)
    _squares(scatter)
    scatter.plot([0, 100], [0, 100], color="0.35", linewidth=1.0, zorder=2)
    scatter.set(xlim=(-2, 102), ylim=(-2, 102))  # an equal aspect would push the names of categories out of the figure
    _limits(differences, given, predicted)
    names = ("given score", f"{predicted_by} score"), ("mean of both scores", f"{predicted_by} - given")
    for axes, (x, y) in zip((scatter, differences), names, strict=True):
        axes.set_xlabel(x, fontsize=FONT_POINTS)
        axes.set_ylabel(y, fontsize=FONT_POINTS)
        axes.tick_params(labelsize=FONT_POINTS - 1)
        axes.spines[["top", "right"]].set_visible(False)
    fold_legend(figure, marks)
    return figure


def _squares(axes: Axes) -> None:
    """The categories as squares along the diagonal, their names above."""
    edges = [*(begin for begin, _ in CATEGORIES), 100]
    for place, (_, name) in enumerate(CATEGORIES):
        left, right = edges[place], edges[place + 1]
        low, high = edges[max(0, place - 1)], edges[min(len(edges) - 1, place + 2)]
        axes.fill_between([left, right], low, high, color=WITHIN_ONE, linewidth=0, zorder=0)
        axes.fill_between([left, right], left, right, color=EXACT, linewidth=0, zorder=1)
        axes.annotate(
            name, ((left + right) / 2, 1.0), xycoords=("data", "axes fraction"), xytext=(0, 3), ha="center",
            va="bottom", textcoords="offset points", fontsize=FONT_POINTS - 1, color="0.25",
        )  # fmt: skip
    axes.set_xticks(edges)
    axes.set_yticks(edges)


def _limits(axes: Axes, given: np.ndarray, predicted: np.ndarray) -> None:
    found = bland_altman(given, predicted)
    axes.axhline(0, color="0.75", linewidth=0.8, zorder=1)
    axes.set_xlim(-2, 102)
    for value, text, style in (
        (found.bias, "bias", "-"),
        (found.low, "lower limit", "--"),
        (found.high, "upper limit", "--"),
    ):
        if np.isfinite(value):
            axes.axhline(value, color=COLOURS[6], linewidth=1.2, linestyle=style, zorder=2)
            axes.annotate(
                f"{text} {value:+.1f}", (1.0, value), xycoords=("axes fraction", "data"), xytext=(0, 2), ha="right",
                va="bottom", textcoords="offset points", fontsize=FONT_POINTS - 2,
            )  # fmt: skip
    spread = np.nanmax(np.abs([*(predicted - given), found.low, found.high, 1.0]))
    axes.set_ylim(-1.15 * spread, 1.15 * spread)
