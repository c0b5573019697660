"""How a score is spread over cases, class by class."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from data_io.errors import InputError
from evaluation.figures.class_panels import class_panels
from evaluation.figures.saving import COLOURS, FONT_POINTS
from evaluation.score_names import TITLES
from evaluation.scores import DIFFERENCES, SCORES

FAR = 20.0  # times the median: beyond, distances are shown on a logarithmic axis
MARKS = ("o", "s", "^", "D", "v", "P", "X", "*")


def box_plots(
    detailed: pd.DataFrame, score: str = "dice", classes: Sequence[str] | None = None, title: str = ""
) -> Figure:
    """One box per class over all cases of all folds, and each case as a point, side by side by fold.

    Box: quartiles and median; whiskers: the furthest case within 1.5 box heights. Distances in mm that reach far
    beyond their median stand on an axis that is logarithmic above 1 mm. Under each class: the number of cases, and of
    those whose score is undefined (not drawn). Many classes stand in rows. `detailed`: as
    `evaluation.tables.detailed_table`. `classes`: in that order; all but the background by default. Raises InputError
    for an unknown score or class.
    """
    if score not in SCORES:
        raise InputError(f"a box plot shows one of {', '.join(SCORES)}, found {score}")
    present = list(dict.fromkeys(detailed["class"]))
    chosen = [name for name in present if name != "background"] or present if classes is None else list(classes)
    unknown = sorted(set(chosen) - set(present))
    if unknown or not chosen:
        raise InputError(f"no scores of class {', '.join(unknown)}; there are {', '.join(present)}")

    folds = sorted(detailed["fold"].unique())
    figure, panels = class_panels(chosen, class_in=1.5, least_in=5.5, height_in=4.8)
    for axes, names in panels:
        for position, name in enumerate(names):
            _one_class(axes, position, detailed[detailed["class"] == name], score, folds)
        axes.set_xticks(range(len(names)), [_under(detailed, name, score) for name in names], fontsize=FONT_POINTS)
        axes.set_ylabel(TITLES[score], fontsize=FONT_POINTS + 1)
        axes.tick_params(axis="y", labelsize=FONT_POINTS - 1)
        axes.grid(axis="y", color="0.88")
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
        if score in DIFFERENCES:
            axes.axhline(0, color="0.35", linewidth=0.8)
    _score_axis(panels[0][0], detailed.loc[detailed["class"].isin(chosen), score].dropna(), score)
    if title:
        figure.suptitle(title, fontsize=FONT_POINTS + 3)
    if 1 < len(folds) <= len(MARKS):
        entries = {
            label: handle for axes, _ in panels for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
        }
        labels = sorted(entries)
        figure.legend(
            [entries[label] for label in labels],
            labels,
            loc="outside lower center",
            ncols=min(len(folds), 5),
            frameon=False,
            fontsize=FONT_POINTS,
        )
    return figure


def _score_axis(axes: Axes, values: pd.Series, score: str) -> None:
    """The vertical scale, which all panels share."""
    bottom, top = axes.get_ylim()
    if score in DIFFERENCES:
        return
    if not score.endswith("_mm"):
        axes.set_ylim(max(min(bottom, 0.9), 0.0) - 0.02, 1.02)  # the whole upper end: a gap to 1 must look like one
        return
    if len(values) and top > FAR * values.median():
        # A missed structure is the volume's diagonal away; on a linear axis all others would be one line.
        axes.set_yscale("symlog", linthresh=1.0)
        axes.yaxis.set_major_formatter("{x:g}")
    axes.set_ylim(0, max(top, 1.0))


def _one_class(axes: Axes, position: int, rows: pd.DataFrame, score: str, folds: list[int]) -> None:
    values = rows[score].dropna()
    if values.empty:
        axes.text(
            position, 0.5, "undefined", transform=axes.get_xaxis_transform(), ha="center", fontsize=FONT_POINTS - 1
        )
        return
    axes.boxplot(
        [values.to_numpy()],
        positions=[position],
        widths=0.62,
        manage_ticks=False,
        showfliers=False,  # every case is drawn as a point anyway
        patch_artist=True,
        boxprops={"facecolor": "0.94", "edgecolor": "0.35"},
        medianprops={"color": "black", "linewidth": 1.8},
        whiskerprops={"color": "0.35"},
        capprops={"color": "0.35"},
    )
    few = len(folds) <= len(MARKS)
    for number, fold in enumerate(folds):
        own = rows.loc[rows["fold"] == fold, score].dropna()
        offset = 0.44 * ((number + 0.5) / len(folds) - 0.5)
        axes.plot(
            np.full(len(own), position + offset),
            own,
            linestyle="none",
            marker=MARKS[number] if few else "o",
            markersize=5.5,
            markeredgecolor="white",
            markeredgewidth=0.5,
            color=COLOURS[number] if few else COLOURS[0],
            label=f"fold {fold}",
            zorder=3,
        )


def _under(detailed: pd.DataFrame, name: str, score: str) -> str:
    values = detailed.loc[detailed["class"] == name, score]
    undefined = int(values.isna().sum())
    return f"{name}\nn = {len(values) - undefined}" + (f"\nundefined: {undefined}" if undefined else "")
