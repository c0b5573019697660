"""Slices of a CT with a mask drawn over them, as radiologists look at them."""

from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patches import Patch

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.volumes.hounsfield import is_windowed
from pneumoseg.data_io.volumes.labels import LabelTable
from pneumoseg.data_io.volumes.volume import Volume
from pneumoseg.evaluation.figures.saving import FONT_POINTS, new_figure, picture_panels

LUNG_WINDOW_HU = (-1250.0, 250.0)
GREY_WINDOW = (0.0, 255.0)
FILL_OPACITY = 0.35
PANEL_IN, SINGLE_PANEL_IN = 3.0, 5.0
"""Width of a panel; where there is one slice alone, it is shown larger."""

LONGEST_PANEL = 4.0
"""The most that a panel is high for its width; a plane deeper than that is drawn narrower."""

MOST_LISTED = 12
"""Classes that a legend names; one that lists a hundred would take the room of the picture."""

Stroke = Literal["solid"] | tuple[float, tuple[float, float]]
SOLID: Stroke = "solid"


def radiological_slice(array: np.ndarray, index: int) -> np.ndarray:
    """Axial slice `index` of an (x, y, z[, channels]) RAS+ array as a picture (rows, columns[, channels]).

    Seen from the feet: the patient's right is at the picture's left, the front (anterior) at the top.
    """
    return array[::-1, ::-1, index].swapaxes(0, 1)


def shown_slice(image: np.ndarray, index: int) -> np.ndarray:
    """The `radiological_slice` of an image for display: of a picture in colour (three channels of 0..255) RGB uint8
    (rows, columns, 3), of an image with other channels the first, (rows, columns)."""
    picture = radiological_slice(image, index)
    if picture.ndim == 2:
        return picture
    if picture.shape[2] == 3 and is_windowed(picture.min(), picture.max()):
        return np.rint(picture).astype(np.uint8)
    return picture[:, :, 0]


def without_place(image: Volume) -> bool:
    """Whether the patient's right is not known to be at the left of what is shown: of a PNG, one slice of 0..255 with
    the nominal spacing of 1 mm, nothing is known but its pixels; a sagittal slice has no right."""
    nominal = image.grid.shape[2] == 1 and image.spacing_mm == (1.0, 1.0, 1.0)
    return image.grid.axis_codes[0] != "R" or (nominal and is_windowed(image.array.min(), image.array.max()))


def display_window(array: np.ndarray) -> tuple[float, float]:
    """Black and white of a CT: the lung window -1250..250 HU, or 0..255 where the values are already windowed."""
    return GREY_WINDOW if is_windowed(array.min(), array.max()) else LUNG_WINDOW_HU


def telling_slices(mask: np.ndarray, labels: LabelTable, count: int = 4) -> list[int]:
    """Axial slices worth showing, from the feet up, at most `count`.

    The slices that hold anything but background are cut into `count` equal stacks; from each comes the slice with the
    most voxels of the table's last class (the infection), and among equals with the most of all. `mask`: class numbers
    (x, y, z). Without any labelled voxel: the middle slice.
    """
    last = np.count_nonzero(mask == len(labels) - 1, axis=(0, 1))
    every = np.count_nonzero(mask, axis=(0, 1))
    filled = np.flatnonzero(every)
    if not filled.size:
        return [mask.shape[2] // 2]
    stacks = [stack for stack in np.array_split(filled, min(count, filled.size)) if stack.size]
    return [int(max(stack, key=lambda index: (last[index], every[index]))) for stack in stacks]


def overlay_sheet(image: Volume, prediction: Volume, labels: LabelTable, *, title: str = "", slices: int = 4) -> Figure:
    """A sheet of axial slices in rows; columns: the CT, and the prediction over it.

    `image`: HU or windowed grey values; `prediction`: uint8 class numbers on the image's grid. Classes are filled
    half-transparently in the table's colours and outlined; the scale of both axes is that of the patient. Raises
    InputError where the grids differ.
    """
    if prediction.array.shape != image.grid.shape:
        raise InputError(
            f"CT and prediction must have one shape, found {image.grid.shape} and {prediction.array.shape}"
        )
    indices = telling_slices(prediction.array, labels, slices)
    columns: list[tuple[str, np.ndarray | None]] = [
        ("image" if without_place(image) else "CT", None),
        ("prediction", prediction.array),
    ]

    spacing_x, spacing_y, _ = image.spacing_mm
    width_mm, height_mm = image.array.shape[0] * spacing_x, image.array.shape[1] * spacing_y
    panel_in = PANEL_IN if image.grid.shape[2] > 1 else SINGLE_PANEL_IN
    panel_height_in = panel_in * min(height_mm / width_mm, LONGEST_PANEL)
    close = ConstrainedLayoutEngine(compress=True, w_pad=0.02, h_pad=0.02, wspace=0.01, hspace=0.01)
    figure = new_figure(panel_in * len(columns), panel_height_in * len(indices) + 1.1, layout=close)
    panels = picture_panels(figure, len(indices), len(columns))
    window = display_window(image.array)
    for row, index in zip(panels, reversed(indices), strict=True):  # the head at the top of the sheet
        for axes, (_, overlaid) in zip(row, columns, strict=True):
            _draw_slice(
                axes, image.array, overlaid, index=index, labels=labels, window=window, size_mm=(width_mm, height_mm)
            )
        if image.grid.shape[2] > 1:
            text = f"slice {index + 1} of {image.grid.shape[2]}"
            write_on_picture(row[0], 0.5, 0.02, text=text, horizontal="center", vertical="bottom")
        if not without_place(image):
            write_on_picture(row[0], 0.02, 0.5, text="R", horizontal="left", vertical="center")
            write_on_picture(row[0], 0.98, 0.5, text="L", horizontal="right", vertical="center")
    for axes, (name, _) in zip(panels[0], columns, strict=True):
        axes.set_title(name, fontsize=FONT_POINTS + 1)
    patches = legend_patches(labels, FILL_OPACITY + 0.2)
    figure.legend(
        handles=patches, loc="outside lower center", ncols=min(len(patches), 4), frameon=False, fontsize=FONT_POINTS
    )
    if title:
        figure.suptitle(title, fontsize=FONT_POINTS + 2)
    return figure


def _draw_slice(
    axes: Axes,
    image: np.ndarray,
    mask: np.ndarray | None,
    *,
    index: int,
    labels: LabelTable,
    window: tuple[float, float],
    size_mm: tuple[float, float],
) -> None:
    extent = (0.0, size_mm[0], size_mm[1], 0.0)  # in mm, rows downwards: equal axes then show the patient's shape
    picture = shown_slice(image, index)
    axes.imshow(picture, cmap="gray", vmin=window[0], vmax=window[1], extent=extent, interpolation="nearest")
    if mask is None:
        return
    classes = radiological_slice(mask, index)
    fill = np.array([(0, 0, 0, 0), *((*unit_rgb(colour), FILL_OPACITY) for colour in labels.colours[1:])])
    axes.imshow(fill[classes], extent=extent, interpolation="nearest")
    draw_contours(axes, classes, labels, extent_mm=extent)


def draw_contours(
    axes: Axes, classes: np.ndarray, labels: LabelTable, *, extent_mm: tuple[float, float, float, float],
    style: Stroke = SOLID,
) -> None:  # fmt: skip
    """Draws the outline of each class but the background in the table's colour.

    `classes`: class numbers (rows, columns); `extent_mm`: (0, width, height, 0) of the picture below.
    """
    columns = (np.arange(classes.shape[1]) + 0.5) * extent_mm[1] / classes.shape[1]
    rows = (np.arange(classes.shape[0]) + 0.5) * extent_mm[2] / classes.shape[0]
    for label in range(1, len(labels)):
        region = classes == label
        if region.any() and not region.all() and min(region.shape) > 1:
            colours = [unit_rgb(labels.colours[label])]
            axes.contour(columns, rows, region, levels=[0.5], colors=colours, linewidths=1.0, linestyles=[style])


def write_on_picture(axes: Axes, x: float, y: float, *, text: str, horizontal: str, vertical: str) -> None:
    """White on a dark field, so that it reads on any CT. `x`, `y`: shares of the panel, from its lower left corner."""
    axes.text(
        x, y, text, transform=axes.transAxes, ha=horizontal, va=vertical, color="white", fontsize=FONT_POINTS - 2,
        bbox={"facecolor": "black", "alpha": 0.5, "edgecolor": "none", "pad": 1.5},
    )  # fmt: skip


def legend_patches(labels: LabelTable, opacity: float) -> list[Patch]:
    """An entry per class but the background, filled with that opacity; of very many the first, and how many more."""
    shown = zip(labels.names[1 : MOST_LISTED + 1], labels.colours[1:], strict=False)
    patches = [
        Patch(facecolor=(*unit_rgb(colour), opacity), edgecolor=unit_rgb(colour), label=name) for name, colour in shown
    ]
    further = len(labels) - 1 - MOST_LISTED
    return [*patches, Patch(fill=False, linewidth=0, label=f"and {further} more")] if further > 0 else patches


def unit_rgb(colour: tuple[int, int, int]) -> tuple[float, float, float]:
    """A colour of 0..255 as matplotlib wants it, 0..1."""
    red, green, blue = colour
    return red / 255, green / 255, blue / 255
