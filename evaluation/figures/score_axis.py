"""The vertical axis of a score and the marks of the folds, alike in every figure that shows the same scores."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pneumoseg.evaluation.figures.saving import COLOURS, FONT_POINTS
from pneumoseg.evaluation.scoring.columns import Columns
from pneumoseg.evaluation.scoring.mask_columns import MASK_COLUMNS

FAR = 20.0
"""Times the usual distance: where one reaches beyond, all are shown on a logarithmic axis."""

MARKS = ("o", "s", "^", "D", "v", "P", "X", "*")
FoldMarks = Mapping[int, tuple[str, str]]
"""Mark and colour of each fold."""


def score_axis(panels: Sequence[Axes], values: np.ndarray, score: str, *, columns: Columns = MASK_COLUMNS) -> None:
    """Sets the vertical scale that `panels` share; the defined `values` of the score decide it, whatever is drawn.

    Scores of 0 to 1 show their whole upper end: a gap to 1 must look like one. Errors, such as distances, begin at 0.
    Differences show the line of 0. To be called when all is drawn.
    """
    axes = panels[0]
    if score in columns.differences:
        for panel in panels:
            panel.axhline(0, color="0.35", linewidth=0.8, zorder=1)
        bottom, top = values.min(initial=0.0), values.max(initial=0.0)
        margin = 0.05 * (top - bottom) or 1.0
        axes.set_ylim(bottom - margin, top + margin)
    elif score in columns.errors:
        top = values.max(initial=1.0)
        if values.size and values.max() > FAR * np.median(values):
            logarithmic_above_1_mm(axes)
            top *= 1.5
        axes.set_ylim(0, 1.06 * top)
    else:
        lowest = values.min(initial=0.9)
        axes.set_ylim(max(lowest - 0.1 * (1 - lowest), -0.02), 1.02)


def logarithmic_above_1_mm(axes: Axes) -> None:
    """Makes a vertical axis of distances in mm logarithmic on both sides beyond 1 mm.

    A missed structure is the volume's diagonal away; on a linear axis all others would be one line.
    """
    axes.set_yscale("symlog", linthresh=1.0)
    axes.yaxis.set_major_formatter("{x:g}")


def fold_marks(folds: Iterable[int]) -> FoldMarks:
    """Mark and colour of each fold, in order; one for all where they are more than there are marks."""
    ordered = sorted(set(folds))
    if len(ordered) > len(MARKS):
        return dict.fromkeys(ordered, (MARKS[0], COLOURS[0]))
    return dict(zip(ordered, zip(MARKS, COLOURS, strict=True), strict=False))


def fold_legend(figure: Figure, marks: FoldMarks) -> None:
    """A legend of the lines labelled "fold K" that were drawn with `fold_marks`, where these tell folds apart."""
    if not 1 < len(marks) <= len(MARKS):
        return
    lines = {line.get_label(): line for axes in figure.axes for line in axes.lines}
    drawn = [lines[f"fold {fold}"] for fold in marks if f"fold {fold}" in lines]
    figure.legend(
        handles=drawn, loc="outside lower center", ncols=min(len(marks), 5), frameon=False, fontsize=FONT_POINTS
    )
