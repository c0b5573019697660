"""How much of the lungs is infected, case by case, over the categories of severity."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pneumoseg.data_io.errors import InputError
from pneumoseg.evaluation.figures.saving import COLOURS, FONT_POINTS, drawable, new_figure
from pneumoseg.evaluation.measures.severity import CATEGORIES, RESEARCH_ONLY

CASE_IN = 0.34
"""Height of one case."""

LONGEST_NAME = 36
BAND_COLOURS = ("#EAF3EA", "#FBF7DF", "#FCEBD3", "#F9DDD3", "#F1D0D3")
BARS = (("left", "left lung", COLOURS[0], 0.2), ("right", "right lung", COLOURS[5], -0.2))
COLUMNS = ("infected_percent", *(f"infected_percent_{side}" for side, *_ in BARS))


def severity_figure(rows: pd.DataFrame) -> Figure:
    """Per case two bars, the infected percent of the left and the right lung, and a diamond, that of both together.

    Cases from the most severe at the top down, those without lungs at the bottom; behind them the bands of the
    categories. The axis ends with the band of the largest percent, but not before the second. `rows`: `case` and the
    columns of `COLUMNS`, as of `measures.severity.severity`; undefined ones NaN or None. Raises InputError for no
    rows and for missing columns.
    """
    missing = [column for column in ("case", *COLUMNS) if column not in rows]
    if missing:
        raise InputError(
            f"severity is drawn from the columns case, {', '.join(COLUMNS)}; missing: {', '.join(missing)}"
        )
    if not len(rows):
        raise InputError("severity is drawn of one case or more, found none")
    table = rows.loc[:, ["case", *COLUMNS]].astype({"case": str} | dict.fromkeys(COLUMNS, float))
    table = table.sort_values(["infected_percent", "case"], ascending=[False, True], na_position="last", kind="stable")

    figure = new_figure(9.0, 1.9 + CASE_IN * max(len(table), 3))
    axes = figure.subplots()
    _bands(axes, float(np.nanmax([0.0, *table[list(COLUMNS)].to_numpy().ravel()])))
    heights = -np.arange(len(table), dtype=float)
    lungless = table["infected_percent"].isna().to_numpy()
    for side, name, colour, offset in BARS:
        percents = table[f"infected_percent_{side}"].to_numpy()
        axes.barh(heights + offset, np.nan_to_num(percents), 0.36, color=colour, label=name, zorder=2)
        for height in heights[np.isnan(percents) & ~lungless] + offset:
            _say(axes, height, f"no {name}")
    axes.plot(
        table["infected_percent"], heights, "D", color="black", markeredgecolor="white", markersize=6.5, zorder=3,
        clip_on=False, label="both lungs",
    )  # fmt: skip
    for height in heights[lungless]:
        _say(axes, height, "no lung in the mask")
    axes.set_yticks(heights, [_short(name) for name in table["case"]], fontsize=FONT_POINTS - 1)
    axes.set_ylim(heights[-1] - 0.6, 0.6)
    axes.tick_params(axis="x", labelsize=FONT_POINTS - 1)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel("infected share of the lung (%)", fontsize=FONT_POINTS)
    axes.spines[["top", "right", "left"]].set_visible(False)
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(
        [*handles[1:], handles[0]],
        [*labels[1:], labels[0]],
        loc="outside upper center",
        ncols=3,
        frameon=False,
        fontsize=FONT_POINTS,
    )
    figure.supxlabel(RESEARCH_ONLY, fontsize=FONT_POINTS - 3, color="0.35")
    return figure


def _bands(axes: Axes, largest: float) -> None:
    """The categories as vertical stripes up to the one of `largest` percent, the names above them."""
    edges = [*(begin for begin, _ in CATEGORIES), 100]
    shown = max(2, sum(begin <= largest for begin in edges[:-1]))
    for (begin, name), end, colour in zip(CATEGORIES[:shown], edges[1:], BAND_COLOURS, strict=False):
        axes.axvspan(begin, end, color=colour, linewidth=0, zorder=0)
        axes.annotate(
            name, ((begin + end) / 2, 1.0), xycoords=("data", "axes fraction"), xytext=(0, 3),
            textcoords="offset points", ha="center", va="bottom", fontsize=FONT_POINTS - 1, color="0.25",
        )  # fmt: skip
    axes.set_xlim(0, edges[shown])


def _say(axes: Axes, height: float, text: str) -> None:
    """A word where there is no bar: nothing there is not the same as nothing infected."""
    axes.annotate(
        text, (0.0, height), xytext=(4, 0), textcoords="offset points", va="center", fontsize=FONT_POINTS - 3,
        color="0.35",
    )  # fmt: skip


def _short(name: str) -> str:
    """A name that leaves room for the bars: its middle left out where it is too long."""
    name = drawable(name)
    half = LONGEST_NAME // 2
    return name if len(name) <= LONGEST_NAME else f"{name[: half - 1]}…{name[-half:]}"
