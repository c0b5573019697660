"""Panels in which classes stand side by side, in rows where they are many."""

import math
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pneumoseg.evaluation.figures.saving import new_figure

ROW_IN = 18.0
"""The width of all classes of a row: readable as one figure, and within the limits of every picture format."""


def class_panels(
    classes: Sequence[str], class_in: float, least_in: float, *, height_in: float
) -> tuple[Figure, list[tuple[Axes, list[str]]]]:
    """A figure and its panels from the top down, each with the classes that belong to it, on one vertical scale.

    The places of a panel's classes are 0, 1, 2, ...; all panels are equally wide. `class_in`, `height_in`: inches that
    a class and a panel take; `least_in`: of the figure's width.
    """
    rows = math.ceil(len(classes) / max(1, int(ROW_IN / class_in)))
    across = math.ceil(len(classes) / rows)
    figure = new_figure(max(class_in * across + 1.5, least_in), height_in if rows == 1 else 0.8 * height_in * rows)
    panels = figure.subplots(rows, 1, sharey=True, squeeze=False)[:, 0]
    for axes in panels:
        axes.set_xlim(-0.6, across - 0.4)
    return figure, [(axes, list(classes[row * across : (row + 1) * across])) for row, axes in enumerate(panels)]
