"""Matched slices of two dates: the baseline moved onto the follow-up, the follow-up, and the change in colour."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from pneumoseg.data_io.volumes.labels import CHANGE_LABELS, LabelTable
from pneumoseg.evaluation.figures.overlays import (
    display_window,
    draw_contours,
    legend_patches,
    radiological_slice,
    telling_slices,
    unit_rgb,
    write_on_picture,
)
from pneumoseg.evaluation.figures.saving import FONT_POINTS, new_figure, picture_panels
from pneumoseg.evaluation.followup.change import NEW, RESOLVED, UNCHANGED
from pneumoseg.evaluation.followup.comparison import Comparison

PANEL_IN = 3.4
OPACITY = 0.55
COLUMNS = (
    ("baseline, registered", (UNCHANGED, RESOLVED)),
    ("follow-up", (UNCHANGED, NEW)),
    ("change", ()),
)
"""Title of each column, and the classes that are outlined; in the last all are filled."""

ANY_CHANGE = LabelTable(("background", "unchanged", "changed"), CHANGE_LABELS.colours[:3])


def follow_up_figure(comparison: Comparison, *, slices: int = 4) -> Figure:
    """A sheet of axial slices in rows, the head at the top, those with most change; each is the same place of the
    patient at both dates."""
    shown = comparison.shown
    merged = np.where(shown.change > UNCHANGED, 2, shown.change).astype(np.uint8)
    indices = telling_slices(merged, ANY_CHANGE, slices)
    width_mm, height_mm = (
        size * step for size, step in zip(shown.grid.shape[:2], shown.grid.spacing_mm[:2], strict=True)
    )
    extent_mm = (0.0, width_mm, height_mm, 0.0)  # rows downwards: equal axes then show the patient's shape
    close = ConstrainedLayoutEngine(compress=True, w_pad=0.02, h_pad=0.02, wspace=0.01, hspace=0.01)
    panel_height_in = PANEL_IN * height_mm / width_mm
    figure = new_figure(PANEL_IN * len(COLUMNS), panel_height_in * len(indices) + 1.3, layout=close)
    panels = picture_panels(figure, len(indices), len(COLUMNS))
    window = display_window(shown.follow_up)
    fill = np.array([(0, 0, 0, 0), *((*unit_rgb(colour), OPACITY) for colour in CHANGE_LABELS.colours[1:])])
    for row, index in zip(panels, reversed(indices), strict=True):
        classes = radiological_slice(shown.change, index)
        for axes, image, (_, outlined) in zip(
            row, (shown.baseline, shown.follow_up, shown.follow_up), COLUMNS, strict=True
        ):
            picture = radiological_slice(image, index)
            axes.imshow(picture, cmap="gray", vmin=window[0], vmax=window[1], extent=extent_mm, interpolation="nearest")
            if outlined:
                draw_contours(
                    axes, np.where(np.isin(classes, outlined), classes, 0), CHANGE_LABELS, extent_mm=extent_mm
                )
            else:
                axes.imshow(fill[classes], extent=extent_mm, interpolation="nearest")
        text = f"slice {shown.first_slice + index + 1} of {shown.slices}"
        write_on_picture(row[1], 0.5, 0.02, text=text, horizontal="center", vertical="bottom")
        write_on_picture(row[0], 0.02, 0.5, text="R", horizontal="left", vertical="center")
        write_on_picture(row[0], 0.98, 0.5, text="L", horizontal="right", vertical="center")
    for axes, (name, _) in zip(panels[0], COLUMNS, strict=True):
        axes.set_title(name, fontsize=FONT_POINTS + 1)
    figure.legend(
        handles=legend_patches(CHANGE_LABELS, OPACITY), loc="outside lower center", ncols=3, frameon=False,
        fontsize=FONT_POINTS,
    )  # fmt: skip
    figure.suptitle(headline(comparison), fontsize=FONT_POINTS + 1)
    return figure


def headline(comparison: Comparison) -> str:
    """The change of both lungs in one line."""
    row = comparison.rows[0]
    parts = ", ".join(f"{name.removesuffix('_ml')} {value:.1f}" for name, value in comparison.label_map_ml.items())
    return (
        f"infection {row['infection_baseline_ml']:.1f} to {row['infection_follow_up_ml']:.1f} ml "
        f"({row['change_ml']:+.1f} ml); {parts} ml"
    )
