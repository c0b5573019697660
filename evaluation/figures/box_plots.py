"""How a score is spread over cases, class by class."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pneumoseg.data_io.errors import InputError
from pneumoseg.evaluation.figures.class_panels import class_panels
from pneumoseg.evaluation.figures.saving import FONT_POINTS
from pneumoseg.evaluation.figures.score_axis import fold_legend, fold_marks, score_axis
from pneumoseg.evaluation.scoring.columns import Columns
from pneumoseg.evaluation.scoring.mask_columns import MASK_COLUMNS


def box_plots(detailed: pd.DataFrame, score: str | None = None, *, columns: Columns = MASK_COLUMNS) -> Figure:
    """One box per class but `columns.left_out`, over all cases of all folds, and each case as a point by fold.

    Box: quartiles and median; whiskers: the furthest case within 1.5 box heights. Errors that reach far beyond
    their median stand on an axis that is logarithmic above 1. Under each class: the number of cases, and of
    those whose score is undefined (not drawn). Many classes stand in rows. `detailed`: as
    `scoring.tables.detailed_table`; `score`: by default the main one. Raises InputError for an unknown score.
    """
    score = columns.main if score is None else score
    if score not in columns.scores:
        raise InputError(f"a box plot shows one of {', '.join(columns.scores)}, found {score}")
    present = list(dict.fromkeys(detailed["class"]))
    classes = [name for name in present if name not in columns.left_out] or present

    marks = fold_marks(detailed["fold"])
    figure, panels = class_panels(classes, class_in=1.5, least_in=5.5, height_in=4.8)
    for axes, names in panels:
        for position, name in enumerate(names):
            _one_class(axes, position, detailed[detailed["class"] == name], score, marks)
        axes.set_xticks(range(len(names)), [_under(detailed, name, score) for name in names], fontsize=FONT_POINTS)
        axes.set_ylabel(columns.titles[score], fontsize=FONT_POINTS + 1)
        axes.tick_params(axis="y", labelsize=FONT_POINTS - 1)
        axes.grid(axis="y", color="0.88")
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
    values = detailed.loc[detailed["class"].isin(classes), score].dropna().to_numpy()
    score_axis([axes for axes, _ in panels], values, score, columns=columns)
    fold_legend(figure, marks)
    return figure


def _one_class(axes: Axes, position: int, rows: pd.DataFrame, score: str, marks: Mapping[int, tuple[str, str]]) -> None:
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
    for number, (fold, (mark, colour)) in enumerate(marks.items()):
        of_fold = rows.loc[rows["fold"] == fold, score].dropna()
        offset = 0.44 * ((number + 0.5) / len(marks) - 0.5)
        axes.plot(
            np.full(len(of_fold), position + offset),
            of_fold,
            linestyle="none",
            marker=mark,
            markersize=5.5,
            markeredgecolor="white",
            markeredgewidth=0.5,
            color=colour,
            label=f"fold {fold}",
            zorder=3,
        )


def _under(detailed: pd.DataFrame, name: str, score: str) -> str:
    values = detailed.loc[detailed["class"] == name, score]
    undefined = int(values.isna().sum())
    return f"{name}\nn = {len(values) - undefined}" + (f"\nundefined: {undefined}" if undefined else "")
