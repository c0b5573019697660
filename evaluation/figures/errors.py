"""Where a prediction errs in one case: the slices worth showing, and a sheet of them with the errors in colour."""

import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.volumes.bounding_box import bounding_box
from pneumoseg.data_io.volumes.labels import LabelTable
from pneumoseg.data_io.volumes.volume import Volume
from pneumoseg.evaluation.figures.overlays import (
    LONGEST_PANEL,
    SOLID,
    Stroke,
    display_window,
    draw_contours,
    legend_patches,
    radiological_slice,
    shown_slice,
    without_place,
    write_on_picture,
)
from pneumoseg.evaluation.figures.saving import COLOURS, FONT_POINTS, new_figure, picture_panels

NO_ERROR, CORRECT, MISSED, FALSE, OTHER = range(5)
"""Kinds of `error_kinds`: nothing to show; the last class correct, missed or false; another class that differs."""

ERROR_COLOURS: tuple[tuple[float, float, float], ...] = (
    (0.0, 0.0, 0.0),
    to_rgb(COLOURS[2]),  # bluish green
    to_rgb(COLOURS[1]),  # vermilion
    to_rgb(COLOURS[3]),  # reddish purple
    (0.95, 0.91, 0.63),  # pale yellow
)
"""RGB (0..1) of the kinds, in their order; readers with any of the three colour blindnesses tell them apart."""

ERROR_OPACITY = (0.0, 0.8, 0.8, 0.8, 0.6)
"""How much of the CT the colour of each kind hides."""

LAST_CLASS_WEIGHT = 5
"""How many differing voxels of other classes one of the last class (the infection) outweighs."""

SLICES_APART, HEIGHT_APART = 3, 0.02
MARGIN_MM = 15.0
PANEL_IN, SINGLE_PANEL_IN = 3.4, 5.0
"""Width of a panel; where there is one slice alone, it is shown larger."""

DASHED: Stroke = (0.0, (2.2, 1.6))


def error_kinds(reference: np.ndarray, prediction: np.ndarray, last: int) -> np.ndarray:
    """What became of each voxel: NO_ERROR, CORRECT, MISSED, FALSE (of class `last`) or OTHER, as uint8.

    `reference`, `prediction`: class numbers in arrays of one shape. Where `last` is in neither and the classes
    differ (a voxel of one lung called background, or the other lung), the kind is OTHER.
    """
    in_reference, in_prediction = reference == last, prediction == last
    kinds = np.where(reference != prediction, np.uint8(OTHER), np.uint8(NO_ERROR))
    kinds[in_reference & in_prediction] = CORRECT
    kinds[in_reference & ~in_prediction] = MISSED
    kinds[in_prediction & ~in_reference] = FALSE
    return kinds


def slice_disagreement(reference: np.ndarray, prediction: np.ndarray, last: int) -> np.ndarray:
    """Differing voxels of each axial slice (z,), those with class `last` in either counted LAST_CLASS_WEIGHT times.

    `reference`, `prediction`: class numbers (x, y, z). Raises InputError where the shapes differ.
    """
    check_shapes({"reference": reference, "prediction": prediction})
    differ = reference != prediction
    every = np.count_nonzero(differ, axis=(0, 1))
    differ &= (reference == last) | (prediction == last)
    return every + (LAST_CLASS_WEIGHT - 1) * np.count_nonzero(differ, axis=(0, 1))


def worst_slices(reference: np.ndarray, prediction: np.ndarray, labels: LabelTable, *, count: int) -> dict[int, str]:
    """Axial slices worth showing, at most `count`, the foremost first, each with the words that say why.

    Half of them hold the most of the table's last class (the infection; in either mask), half the most disagreement
    (`slice_disagreement`; it gets the odd one). They lie at least 3 slices and 2 % of the height apart where that
    leaves enough. Where there is too little infection or disagreement the other fills up, then the slices with the
    most of all classes; with no labelled voxel it is the middle slice. `reference`, `prediction`: uint8 (x, y, z).
    Raises InputError where the shapes differ or `count` is below 1.
    """
    check_shapes({"reference": reference, "prediction": prediction})
    if count < 1:
        raise InputError(f"at least 1 slice can be shown, found {count}")
    last = len(labels) - 1
    measures = {
        "most disagreement": slice_disagreement(reference, prediction, last),
        f"most {labels.names[last]}": np.count_nonzero((reference == last) | (prediction == last), axis=(0, 1)),
        "most labelled": np.count_nonzero(reference | prediction, axis=(0, 1)),
    }
    disagreement, infection, labelled = measures
    height = reference.shape[2]
    apart = max(SLICES_APART, int(np.ceil(HEIGHT_APART * height)))
    reasons: dict[int, str] = {}
    for place in range(count):
        order = (infection, disagreement, labelled) if place % 2 else (disagreement, infection, labelled)
        following = _next_slice({name: measures[name] for name in order}, list(reasons), apart)
        if following is None:
            break
        index, reason = following
        reasons[index] = reason
    return reasons or {height // 2: "nothing labelled"}


def error_sheet(
    image: Volume, reference: Volume, prediction: Volume, *, labels: LabelTable, title: str = "", slices: int = 4
) -> Figure:
    """A sheet of the `worst_slices` in rows, the head at the top; columns: the CT, contours over it, errors over it.

    `image`: HU (shown in the lung window), windowed grey values or colours; `reference`, `prediction`: uint8 class
    numbers on the image's grid. Contours have the table's colours, the reference's solid and the prediction's dashed.
    Errors have the ERROR_COLOURS. Every panel shows one and the same box around all that is labelled, in the patient's
    scale; of an image of one slice it shows all, larger. Raises InputError where the shapes differ.
    """
    check_volumes(image, reference, prediction)
    reasons = worst_slices(reference.array, prediction.array, labels, count=slices)
    single = image.grid.shape[2] == 1
    shown = slice(None), slice(None)  # of one slice all: what is labelled may be small, and nothing else shows where
    box = shown if single else _labelled_box((reference.array, prediction.array), image.spacing_mm)
    window = display_window(image.array)
    sizes = [len(range(size)[part]) for part, size in zip(box, image.grid.shape, strict=False)]
    width_mm, height_mm = (size * step_mm for size, step_mm in zip(sizes, image.spacing_mm, strict=False))
    extent_mm = (0.0, width_mm, height_mm, 0.0)  # rows downwards: equal axes then show the patient's shape

    close = ConstrainedLayoutEngine(compress=True, w_pad=0.02, h_pad=0.02, wspace=0.01, hspace=0.01)
    panel_in = SINGLE_PANEL_IN if single else PANEL_IN
    panel_height_in = panel_in * min(height_mm / width_mm, LONGEST_PANEL)
    figure = new_figure(panel_in * 3, panel_height_in * len(reasons) + 1.5, layout=close)
    panels = picture_panels(figure, len(reasons), 3)
    for row, index in zip(panels, sorted(reasons, reverse=True), strict=True):
        ct = shown_slice(image.array[box], index)
        true_classes, predicted_classes = (
            radiological_slice(volume.array[box], index) for volume in (reference, prediction)
        )
        for axes in row:
            axes.imshow(ct, cmap="gray", vmin=window[0], vmax=window[1], extent=extent_mm, interpolation="nearest")
        draw_contours(row[1], true_classes, labels, extent_mm=extent_mm, style=SOLID)
        draw_contours(row[1], predicted_classes, labels, extent_mm=extent_mm, style=DASHED)
        error_layer = _error_layer(true_classes, predicted_classes, len(labels) - 1)
        row[2].imshow(error_layer, extent=extent_mm, interpolation="nearest")
        if not single:
            text = f"slice {index + 1} of {image.grid.shape[2]}\n{reasons[index]}"
            write_on_picture(row[0], 0.02, 0.02, text=text, horizontal="left", vertical="bottom")
        for axes in [] if without_place(image) else row:
            write_on_picture(axes, 0.03, 0.97, text="R", horizontal="left", vertical="top")
            write_on_picture(axes, 0.97, 0.97, text="L", horizontal="right", vertical="top")
    for axes, name in zip(panels[0], ("image" if without_place(image) else "CT", "contours", "errors"), strict=True):
        axes.set_title(name, fontsize=FONT_POINTS + 1)
    figure.legend(handles=_legend(labels), loc="outside lower center", ncols=3, frameon=False, fontsize=FONT_POINTS - 1)
    if title:
        figure.suptitle(title, fontsize=FONT_POINTS + 2)
    return figure


def check_volumes(image: Volume, reference: Volume, prediction: Volume) -> None:
    """Raises InputError where a mask does not have the shape of the image, but for its channels."""
    masks = {"reference": reference.array, "prediction": prediction.array}
    check_shapes({"CT": image.array[..., 0] if image.array.ndim > 3 else image.array, **masks})


def check_shapes(arrays: dict[str, np.ndarray]) -> None:
    """Raises InputError, with the roles that are the keys, where an array's shape is not that of the first."""
    (first, expected), *others = arrays.items()
    for role, array in others:
        if array.shape != expected.shape:
            raise InputError(f"{first} and {role} must have one shape, found {expected.shape} and {array.shape}")


def _next_slice(measures: dict[str, np.ndarray], indices: list[int], apart: int) -> tuple[int, str] | None:
    """The slice with the most by the first measure that has any, `apart` from `indices` or as far as is possible."""
    for distance in range(apart, 0, -1):
        for reason, measure in measures.items():
            free = measure.copy()
            for index in indices:
                free[max(0, index - distance + 1) : index + distance] = 0
            if free.any():
                return int(free.argmax()), reason
    return None


def _labelled_box(masks: tuple[np.ndarray, ...], spacing_mm: tuple[float, float, float]) -> tuple[slice, slice]:
    """The part of x and y that holds every labelled voxel, with a margin; all of it where nothing is labelled."""
    labelled = np.logical_or.reduce([mask.any(axis=2) for mask in masks])
    if not labelled.any():
        labelled[...] = True
    across, along = bounding_box(labelled, [round(MARGIN_MM / step_mm) for step_mm in spacing_mm[:2]])
    return across, along


def _error_layer(reference: np.ndarray, prediction: np.ndarray, last: int) -> np.ndarray:
    """RGBA (rows, columns, 4) in 0..1 of the errors of one slice, to be laid over its CT."""
    layers = np.column_stack([ERROR_COLOURS, ERROR_OPACITY])
    return layers[error_kinds(reference, prediction, last)]


def _legend(labels: LabelTable) -> list[Patch | Line2D]:
    """Three columns: how the classes are drawn, whose contours, and the colours of the errors."""
    last = labels.names[-1]
    whose = [
        Line2D([], [], color="black", linewidth=1.0, linestyle=style, label=name)
        for name, style in (("reference", SOLID), ("prediction", DASHED))
    ]
    words = {CORRECT: f"{last} correct", MISSED: f"{last} missed", FALSE: f"{last} false", OTHER: "other class differs"}
    if len(labels) == 2:
        del words[OTHER]
    errors = [Patch(facecolor=ERROR_COLOURS[kind], label=text) for kind, text in words.items()]
    columns: list[list[Patch | Line2D]] = [[*legend_patches(labels, 0.0)], [*whose], [*errors]]
    longest = max(map(len, columns))
    return [entry for column in columns for entry in column + [_blank()] * (longest - len(column))]


def _blank() -> Line2D:
    return Line2D([], [], linestyle="none", label=" ")
