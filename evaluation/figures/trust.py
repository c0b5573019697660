"""Can a mask be trusted without a reference? Predicted against true Dice of tested cases."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from pneumoseg.evaluation.figures.saving import FONT_POINTS, new_figure

VERDICT_COLOURS = {"use": "#009E73", "review": "#E69F00", "do not trust": "#D55E00"}
"""After Okabe & Ito (2008)."""
MARKS = {"use": "o", "review": "s", "do not trust": "X"}


def trust_figure(table: pd.DataFrame) -> Figure:
    """For each class that has predictions a panel: predicted Dice with its interval against the true one, by verdict.

    `table`: as `scoring.trust_table.with_verdicts`. The diagonal is a perfect prediction; each case was predicted from
    the cases of other patients.
    """
    drawn = table.dropna(subset=["predicted_dice", "dice"])
    classes = list(drawn["class"].drop_duplicates())
    figure = new_figure(3.8 * max(len(classes), 1), 4.4)
    panels = figure.subplots(1, max(len(classes), 1), squeeze=False)[0]
    for axes, name in zip(panels, classes, strict=False):
        _panel(axes, drawn[drawn["class"] == name], name)
    panels[0].set_ylabel("predicted Dice", fontsize=FONT_POINTS)
    handles = {
        label: handle for axes in panels for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    if handles:
        figure.legend(
            handles.values(), handles.keys(), loc="outside lower center", ncols=3, frameon=False, fontsize=FONT_POINTS
        )
    return figure


def _panel(axes: Axes, rows: pd.DataFrame, name: str) -> None:
    axes.plot([0, 1], [0, 1], color="0.6", linewidth=1, zorder=1)
    for verdict, colour in VERDICT_COLOURS.items():
        some = rows[rows["verdict"] == verdict]
        if some.empty:
            continue
        axes.errorbar(
            some["dice"],
            some["predicted_dice"],
            yerr=[some["predicted_dice"] - some["low"], some["high"] - some["predicted_dice"]],
            fmt=MARKS[verdict],
            color=colour,
            ecolor=colour,
            elinewidth=1,
            markersize=6,
            label=verdict,
            zorder=2,
        )
    lowest = min(rows["dice"].min(), rows["low"].min())
    axes.set_xlim(max(0.0, lowest - 0.05), 1.02)
    axes.set_ylim(max(0.0, lowest - 0.05), 1.02)
    axes.set_aspect("equal")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(4))
    axes.set_title(name, fontsize=FONT_POINTS + 1)
    axes.set_xlabel("Dice", fontsize=FONT_POINTS)
    axes.tick_params(labelsize=FONT_POINTS - 2)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="0.9")
    axes.set_axisbelow(True)
