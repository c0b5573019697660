"""Slices of a CT with a map of 0 to 1 laid over them, such as Grad-CAM."""

import numpy as np
from matplotlib.figure import Figure

from pneumoseg.data_io.volumes.volume import Volume
from pneumoseg.evaluation.figures.overlays import LUNG_WINDOW_HU, radiological_slice
from pneumoseg.evaluation.figures.saving import new_figure

PANEL_IN = 2.2
COLUMNS, SLICES = 4, 8
COLOURS = "inferno"
LARGEST_OPACITY = 0.6


def heat_sheet(image: Volume, heat: np.ndarray, *, title: str, slices: int = SLICES) -> Figure:
    """A sheet of axial slices, from the feet up, evenly spaced between the first and the last fourteenth of the CT.

    `image`: HU, (x, y, z) RAS+; `heat`: 0 to 1, of the same shape, drawn the less transparent the higher it is.
    """
    depth, aspect = image.grid.shape[2], image.spacing_mm[1] / image.spacing_mm[0]
    margin = depth // 14
    shown = np.unique(np.linspace(margin, depth - 1 - margin, slices).round().astype(int))
    rows = -(-len(shown) // COLUMNS)
    figure = new_figure(COLUMNS * PANEL_IN, rows * PANEL_IN + 0.8)
    panels = figure.subplots(rows, COLUMNS, squeeze=False).ravel()
    for panel in panels:
        panel.set_axis_off()
    drawn = None
    for panel, index in zip(panels, shown, strict=False):
        low, high = LUNG_WINDOW_HU
        panel.imshow(radiological_slice(image.array, index), cmap="gray", vmin=low, vmax=high, aspect=aspect)
        over = radiological_slice(heat, index)
        drawn = panel.imshow(over, cmap=COLOURS, vmin=0, vmax=1, alpha=LARGEST_OPACITY * over, aspect=aspect)
        panel.set_title(f"slice {index}")
    if drawn is not None:
        figure.colorbar(drawn, ax=list(panels), shrink=0.7, label="share of the largest value")
    figure.suptitle(f"{title} (right of the patient at the left)")
    return figure
