"""What changed from one run to another, case by case."""

import textwrap

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pneumoseg.data_io.errors import InputError, nearest
from pneumoseg.evaluation.figures.class_panels import class_panels
from pneumoseg.evaluation.figures.saving import COLOURS, FONT_POINTS
from pneumoseg.evaluation.figures.score_axis import FAR, MARKS, logarithmic_above_1_mm
from pneumoseg.evaluation.scoring.comparison import Comparison

GOLDEN = 0.6180339887
"""Multiples of it, modulo 1, keep neighbours apart (Weyl sequence): points of like height do not hide one another."""


def difference_plot(comparison: Comparison, score: str = "dice") -> Figure:
    """Per class the paired difference of each case as a point, and beside the points their mean with its 95 % interval.

    Runs stand side by side in colour and mark, around the line of no difference to the baseline. Distances in mm that
    reach far beyond the usual stand on an axis that is logarithmic beyond 1 mm. Under each class: the number of cases
    where both runs are defined, per run where that differs. Many classes stand in rows. Raises InputError for a score
    that was not compared.
    """
    summary = comparison.summary[comparison.summary["score"] == score]
    cases = comparison.cases[comparison.cases["score"] == score].dropna(subset="difference")
    if summary.empty:
        compared = list(dict.fromkeys(comparison.summary["score"]))
        raise InputError(f"{score} was not compared{nearest(score, compared)}")
    classes, runs = (list(dict.fromkeys(summary[column])) for column in ("class", "run_b"))
    title, lower_is_better = comparison.columns.titles[score], comparison.columns.lower_is_better(score)
    better = "below 0 is better" if lower_is_better else "above 0 is better"
    figure, panels = class_panels(classes, class_in=0.9 + 0.6 * len(runs), least_in=6.0, height_in=5.2)
    for axes, names in panels:
        axes.axhline(0, color="0.25", linewidth=1.2, zorder=1)
        for position, name in enumerate(names):
            if position:
                axes.axvline(position - 0.5, color="0.88", zorder=0)
            for number, run in enumerate(runs):
                row = summary[(summary["class"] == name) & (summary["run_b"] == run)]
                of_run = cases[(cases["class"] == name) & (cases["run_b"] == run)]
                if len(row):
                    _one_run(
                        axes,
                        position,
                        number,
                        runs=len(runs),
                        differences=of_run["difference"].to_numpy(),
                        row=row.iloc[0],
                    )
        axes.set_xticks(range(len(names)), [_under(summary, name) for name in names], fontsize=FONT_POINTS)
        axes.set_ylabel(f"difference in {title}\n({better})", fontsize=FONT_POINTS + 1)
        axes.tick_params(axis="y", labelsize=FONT_POINTS - 1)
        axes.grid(axis="y", color="0.88")
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
    _vertical(panels[0][0], cases["difference"].to_numpy(), logarithmic=lower_is_better)
    baseline = textwrap.fill(str(summary["run_a"].iloc[0]), 50, break_on_hyphens=False)
    figure.suptitle(f"{title[:1].upper()}{title[1:]} compared with {baseline}", fontsize=FONT_POINTS + 3)
    _legend(figure, runs)
    return figure


def _one_run(axes: Axes, position: int, number: int, *, runs: int, differences: np.ndarray, row: pd.Series) -> None:
    width = 0.84 / runs
    left = position - 0.42 + number * width
    if not len(differences):
        axes.text(left + width / 2, 0, "undefined", ha="center", va="bottom", fontsize=FONT_POINTS - 2, rotation=90)
        return
    spread = (np.arange(len(differences)) * GOLDEN) % 1 if len(differences) > 1 else np.array([0.5])
    axes.plot(
        left + width * (0.12 + 0.46 * spread),
        np.sort(differences),
        **_mark(number),
        linestyle="none",
        markersize=6,
        alpha=0.85,
        zorder=3,
    )
    centre, mean = left + 0.78 * width, row["mean_difference"]
    if pd.notna(row["ci95_low"]):
        axes.vlines(centre, row["ci95_low"], row["ci95_high"], color="black", linewidth=2, zorder=4)
    axes.hlines(mean, centre - 0.13 * width, centre + 0.13 * width, color="black", linewidth=2.6, zorder=4)


def _mark(number: int) -> dict:
    """Colour and mark of a run; together they tell more runs apart than there are colours."""
    return {
        "color": COLOURS[number % len(COLOURS)],
        "marker": MARKS[(number + number // len(COLOURS)) % len(MARKS)],
        "markeredgecolor": "white",
        "markeredgewidth": 0.5,
    }


def _vertical(axes: Axes, differences: np.ndarray, *, logarithmic: bool) -> None:
    """The vertical scale, which all panels share; it may be `logarithmic` where differences lie far apart."""
    moved = np.abs(differences[differences != 0])
    if logarithmic and len(moved) and moved.max() > FAR * max(np.median(moved), 1.0):
        logarithmic_above_1_mm(axes)
    elif not len(moved):
        axes.set_ylim(-1, 1)
    else:
        bottom, top = axes.get_ylim()
        beyond = 0.08 * (top - bottom)
        axes.set_ylim(min(bottom, -beyond), max(top, beyond))  # either side of the line is seen to be empty


def _legend(figure: Figure, runs: list[str]) -> None:
    axes = figure.axes[0]
    handles = [axes.plot([], [], **_mark(number), linestyle="none", markersize=7)[0] for number in range(len(runs))]
    handles += axes.plot([], [], color="black", linestyle="none", marker="+", markersize=14, markeredgewidth=2.4)
    labels = [textwrap.fill(str(run), 40, break_on_hyphens=False) for run in runs] + ["mean, 95 % interval"]
    figure.legend(
        handles,
        labels,
        loc="outside lower center",
        ncols=min(len(labels), 4),
        frameon=False,
        fontsize=FONT_POINTS,
    )


def _under(summary: pd.DataFrame, name: str) -> str:
    counts = summary.loc[summary["class"] == name, "cases"].tolist()
    same = len(set(counts)) == 1
    return f"{name}\nn = {counts[0] if same else ', '.join(map(str, counts))}"
