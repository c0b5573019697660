"""New figures and figures to files. Only matplotlib's objects: no pyplot, so no display and no global state."""

from pathlib import Path
from typing import Literal

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import LayoutEngine
from matplotlib.text import Text

from pneumoseg.data_io.storage.atomic import write_aside

FONT_POINTS = 11
"""Size of ordinary text; titles are a little larger, tick labels a little smaller."""

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#4D4D4D", "#B5A800")
"""Colours that colour-blind readers tell apart: after Okabe & Ito (2008), yellow and black toned for white paper."""


def new_figure(
    width_in: float, height_in: float, layout: Literal["constrained", "compressed"] | LayoutEngine = "constrained"
) -> Figure:
    """An empty figure of that size in inches, on an Agg canvas. `layout`: how matplotlib places the panels."""
    figure = Figure(figsize=(width_in, height_in), layout=layout, facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def picture_panels(figure: Figure, rows: int, columns: int) -> np.ndarray:
    """Panels (rows, columns) for pictures, without axes: also without the ticks that matplotlib would make and measure
    for axes that it does not draw, for a fifth of the time of a sheet."""
    panels = figure.subplots(rows, columns, squeeze=False, subplot_kw={"xticks": (), "yticks": ()})
    for axes in panels.flat:
        axes.set_axis_off()
    return panels


def save_figure(figure: Figure, path: str | Path, dpi: int = 150) -> None:
    """Writes the figure in the format of the path's suffix (.png, .pdf, .svg), whole or not at all.

    No text is read as a formula: cases and classes may have dollar signs in their names. Names of files that are not
    UTF-8 are drawn with backslashes.
    """
    for text in figure.findobj(Text):
        text.set_parse_math(False)
        text.set_text(drawable(text.get_text()))
    with write_aside(path) as aside:
        figure.savefig(aside, dpi=dpi, facecolor=figure.get_facecolor())


def drawable(name: str) -> str:
    """A name of a case as text that a font can draw: bytes of file names that are not UTF-8 become \\udcXX.

    `save_figure` sees to that but in tick labels, which axes make again.
    """
    return name.encode("utf-8", "backslashreplace").decode("utf-8")
