"""Which class is taken for which: a confusion matrix as a picture."""

from collections.abc import Sequence

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from pneumoseg.data_io.errors import InputError
from pneumoseg.evaluation.figures.saving import FONT_POINTS, new_figure

COLOUR_MAP = "Blues"  # its lightness falls steadily, so it reads the same in grey and to colour-blind eyes
ABSENT = "0.93"
CELL_IN, BARE_CELL_IN = 1.25, 0.3
"""Width of a cell with and without numbers in it; its height is 0.8 of that."""

MOST_WITH_NUMBERS = 16
"""Beyond so many classes a cell shows its colour alone."""

LARGEST_IN = 45.0
"""Width of all cells together: a picture of 254 classes still is one that programs open."""

LONG_NAME = 12
STEPS = ((1e3, "k"), (1e6, "M"), (1e9, "G"), (1e12, "T"))


def confusion_figure(matrix: np.ndarray, names: Sequence[str], *, counted: str = "voxels") -> Figure:
    """Rows: classes of the reference; columns: classes of the prediction; each row in percent of what is `counted`.

    `matrix`: whole numbers (classes, classes), entry [reference, prediction], as `measures.overlap.confusion` counts
    them (matrices of several cases may be added up). The counts stand small below the percentages; for more than 16
    classes there are colours alone. A class that the reference does not have has no percentages; its row says so.
    Raises InputError where `matrix` is not square, holds other than counts, or does not have one row per name.
    """
    matrix = np.asarray(matrix)
    if matrix.ndim != 2 or matrix.shape != (len(names), len(names)) or not len(names):
        raise InputError(f"a confusion matrix has a row and a column per class, found {matrix.shape} for {list(names)}")
    if matrix.dtype.kind not in "ui" or (matrix < 0).any():
        raise InputError(f"a confusion matrix holds counts, found {matrix.dtype} down to {matrix.min():g}")
    totals = matrix.sum(axis=1, keepdims=True)
    percent = np.ma.masked_array(100 * (matrix / np.maximum(totals, 1)), np.broadcast_to(totals == 0, matrix.shape))

    numbers = len(names) <= MOST_WITH_NUMBERS
    cell_in = CELL_IN if numbers else min(BARE_CELL_IN, LARGEST_IN / len(names))
    points = min(FONT_POINTS, 0.8 * (0.8 * cell_in * 72))  # of text that has to fit into a row
    figure = new_figure(cell_in * len(names) + 3.4, 0.8 * cell_in * len(names) + 1.6)
    axes = figure.subplots()
    colours = matplotlib.colormaps[COLOUR_MAP].with_extremes(bad=ABSENT)
    picture = axes.imshow(percent, cmap=colours, vmin=0, vmax=100, aspect="auto")
    for row, total in enumerate(totals[:, 0]):
        if not total:
            axes.text(
                (len(names) - 1) / 2, row, "not in the reference", ha="center", va="center", fontsize=points,
                bbox={"facecolor": ABSENT, "edgecolor": "none", "pad": 3 if numbers else 0},
            )  # fmt: skip
            continue
        for column in range(len(names) if numbers else 0):
            colour = _text_colour(colours(percent[row, column] / 100)[:3])
            _write(
                axes, column, row, percent=float(percent[row, column]), count=int(matrix[row, column]), colour=colour
            )
    _name_axes(axes, names, totals[:, 0] if numbers else None, points, counted)
    bar = figure.colorbar(picture, ax=axes, pad=0.02, fraction=0.05, aspect=25)
    bar.set_label(f"% of the reference's {counted}", fontsize=FONT_POINTS)
    bar.ax.tick_params(labelsize=FONT_POINTS - 1)
    bar.outline.set_visible(False)  # type: ignore[operator]
    return figure


def short_count(count: int) -> str:
    """A count for readers with at most one decimal: "812", "34.1 k", "1.2 M"."""
    if count < 1000:
        return str(count)
    for step, letter in STEPS[:-1]:
        if round(count / step, 1) < 1000:
            return f"{count / step:.1f} {letter}"
    return f"{count / STEPS[-1][0]:.1f} {STEPS[-1][1]}"


def _write(axes: Axes, column: int, row: int, *, percent: float, count: int, colour: str) -> None:
    axes.text(column, row - 0.04, _percent(percent), ha="center", va="bottom", fontsize=FONT_POINTS + 1, color=colour)
    axes.text(
        column, row + 0.08, short_count(count), ha="center", va="top", fontsize=FONT_POINTS - 2, color=colour
    )  # fmt: skip


def _name_axes(axes: Axes, names: Sequence[str], totals: np.ndarray | None, points: float, counted: str) -> None:
    """Names the classes in letters of that size; `totals`: what is `counted` of each in the reference, where there is
    room."""
    places = range(len(names))
    axes.set_xticks(places, names, fontsize=points)
    if totals is None:
        axes.tick_params(axis="x", labelrotation=90)
        rows = list(names)
    else:
        if any(len(name) > LONG_NAME for name in names):
            for label in axes.get_xticklabels():
                label.set(rotation=25, ha="right", rotation_mode="anchor")
        rows = [f"{name}\n{short_count(int(total))} {counted}" for name, total in zip(names, totals, strict=True)]
    axes.set_yticks(places, rows, fontsize=points)
    axes.set_xlabel("prediction", fontsize=FONT_POINTS + 1)
    axes.set_ylabel("reference", fontsize=FONT_POINTS + 1)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    edges = np.arange(len(names) + 1) - 0.5
    axes.hlines(edges, edges[0], edges[-1], color="0.75", linewidth=0.8)
    axes.vlines(edges, edges[0], edges[-1], color="0.75", linewidth=0.8)
    axes.set(xlim=(edges[0], edges[-1]), ylim=(edges[-1], edges[0]))


def _percent(value: float) -> str:
    """One decimal, but never 0.0 % or 100.0 % for what is only near them."""
    if 0 < value < 0.05:
        return "<0.1 %"
    if 99.95 <= value < 100:
        return ">99.9 %"
    return f"{value:.1f} %"


def _text_colour(background: tuple[float, float, float]) -> str:
    """Black or white, whichever contrasts more with an RGB colour in 0..1 (contrast ratio of WCAG 2.1)."""
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in to_rgb(background)
    )
    luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    return "white" if 1.05 / (luminance + 0.05) > (luminance + 0.05) / 0.05 else "black"
