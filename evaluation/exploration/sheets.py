"""Sheets of many pictures or slices: each without and with the outlines of its mask."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from pneumoseg.data_io.volumes.labels import LabelTable
from pneumoseg.data_io.volumes.volume import Volume
from pneumoseg.evaluation.figures.overlays import (
    display_window,
    draw_contours,
    legend_patches,
    radiological_slice,
    shown_slice,
)
from pneumoseg.evaluation.figures.saving import FONT_POINTS, new_figure, picture_panels

CASES_PER_ROW, ROWS = 3, 8
CASES = CASES_PER_ROW * ROWS
"""At most, on one sheet."""

PANEL_IN = 2.0
MOST_LETTERS = 28
"""Of a name, above a panel."""


def sheet(cases: Sequence[tuple[str, Volume, Volume | None]], labels: LabelTable) -> Figure:
    """One to CASES images of one slice, each of them (name, image, mask or None): the image, and beside it the same
    with the outlines of the classes; without a mask the second panel is empty.

    Images: HU, or grey values or colours of 0..255; masks: uint8 class numbers on the image's grid. A slice across x or
    y is shown with the head at the top.
    """
    columns = min(CASES_PER_ROW, len(cases))
    rows = -(-len(cases) // columns)
    masked = any(mask is not None for _, _, mask in cases)
    panels_each = 2 if masked else 1
    figure = new_figure(PANEL_IN * columns * panels_each, (PANEL_IN + 0.25) * rows + 0.4)
    panels = picture_panels(figure, rows, columns * panels_each)
    for (name, image, mask), places in zip(cases, panels.reshape(-1, panels_each), strict=False):
        black, white = display_window(image.array)
        across = int(np.argmin(image.grid.shape))
        array = np.moveaxis(image.array, across, 2)
        width_mm, height_mm = (
            size * spacing
            for axis, (size, spacing) in enumerate(zip(image.grid.shape, image.spacing_mm, strict=True))
            if axis != across
        )
        extent = (0.0, width_mm, height_mm, 0.0)
        for axes in places if mask is not None else places[:1]:
            axes.imshow(
                shown_slice(array, 0), cmap="gray", vmin=black, vmax=white, extent=extent, interpolation="nearest"
            )
        short = name if len(name) <= MOST_LETTERS else f"{name[: MOST_LETTERS - 1]}…"
        places[0].set_title(short, fontsize=FONT_POINTS - 3, loc="left")
        if mask is not None:
            classes = radiological_slice(np.moveaxis(mask.array, across, 2), 0)
            draw_contours(places[1], classes, labels, extent_mm=extent)
    if masked:
        figure.legend(
            handles=(outlines := legend_patches(labels, 0.0)),
            loc="outside lower center",
            ncols=min(len(outlines), 4),
            frameon=False,
            fontsize=FONT_POINTS - 1,
        )
    return figure
