"""What a dataset looks like: shapes and spacings, intensities, class frequencies, and a strip of slices per case."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from pneumoseg.data_io.volumes.hounsfield import is_hu, is_windowed
from pneumoseg.data_io.volumes.labels import LabelTable
from pneumoseg.data_io.volumes.volume import Volume
from pneumoseg.evaluation.exploration.table import AXES
from pneumoseg.evaluation.figures.log_axis import log_axis
from pneumoseg.evaluation.figures.overlays import (
    LONGEST_PANEL,
    display_window,
    draw_contours,
    legend_patches,
    radiological_slice,
    shown_slice,
    unit_rgb,
    without_place,
    write_on_picture,
)
from pneumoseg.evaluation.figures.saving import COLOURS, FONT_POINTS, new_figure, picture_panels

HU_EDGES = np.arange(-1250, 501, 10)
GREY_EDGES = np.arange(0, 257, 4)
SLICE_IN, SINGLE_SLICE_IN = 2.4, 3.6
"""Width of a slice in a montage; where there is one alone, it is shown larger, without and with outlines."""
MONTAGE_SLICES = 6


@dataclass(frozen=True, eq=False)
class IntensityHistogram:
    """Share of a case's voxels per bin: `shares` (bins,), `edges` (bins + 1,) in HU, or in grey values if not `hu`."""

    case: str
    source: str
    hu: bool
    edges: np.ndarray
    shares: np.ndarray


def count_intensities(case: str, source: str, image: Volume) -> IntensityHistogram:
    """The histogram of one case: bins of 10 HU in -1250..500, of 4 grey values in 0..255 where it is windowed, else 100
    bins from its minimum to its maximum. Voxels outside are in no bin, but count in the whole that is 1.
    """
    minimum, maximum = float(image.array.min()), float(image.array.max())
    hu = is_hu(minimum, maximum)
    edges: np.ndarray
    if hu:
        edges = HU_EDGES
    elif is_windowed(minimum, maximum):
        edges = GREY_EDGES
    else:
        edges = np.linspace(minimum, maximum, 101) if maximum > minimum else np.array([minimum, minimum + 1])
    counts = np.zeros(len(edges) - 1)
    for z in range(image.array.shape[2]):  # by slices: numpy's histogram holds float64 copies of what it is given
        counts += np.histogram(image.array[:, :, z], edges)[0]
    return IntensityHistogram(case, source, hu, edges, counts / image.array.size)


def shapes_and_spacings(table: pd.DataFrame) -> Figure:
    """Voxels, spacing (mm) and extent (mm) of each case along x, y and z; one mark per case, coloured by source. Of
    single slices with the nominal spacing of pictures the pixels alone, along x and y.

    `table`: as `exploration.table.explore` gives it.
    """
    shapes = table[[f"shape_{axis}" for axis in AXES]].to_numpy(dtype=float)
    spacings = table[[f"spacing_{axis}_mm" for axis in AXES]].to_numpy(dtype=float)
    colours = _source_colours(table["source"])
    aside = np.linspace(-0.2, 0.2, len(table)) if len(table) > 1 else np.zeros(1)
    panels = [("voxels", shapes), ("spacing (mm)", spacings), ("extent (mm)", shapes * spacings)]
    directions: tuple[str, ...] = AXES
    if (shapes[:, 2] == 1).all() and (spacings == 1).all():
        panels, directions = [("pixels", shapes[:, :2])], AXES[:2]
    figure = new_figure(3.5 * len(panels) + 0.5, 4)
    for axes, (name, values) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        for column in range(len(directions)):
            shades = [colours[source] for source in table["source"]]
            axes.scatter(column + aside, values[:, column], c=shades, s=28, alpha=0.85, linewidths=0)
        axes.set_xticks(range(len(directions)), directions)
        axes.set_xlim(-0.5, len(directions) - 0.5)
        axes.set_ylim(0, 1.08 * values.max())
        axes.set_title(name, fontsize=FONT_POINTS + 1)
        _tidy(axes)
    _source_legend(figure, colours)
    return figure


def intensity_histograms(histograms: list[IntensityHistogram]) -> Figure:
    """Intensities per case (thin lines, by source) and pooled (black: mean over cases), HU and grey values apart."""
    groups = [(True, "HU"), (False, "grey value, not HU")]
    groups = [(hu, name) for hu, name in groups if any(one.hu is hu for one in histograms)]
    figure = new_figure(6 * len(groups) + 1, 4.2)
    colours = _source_colours(one.source for one in histograms)
    for axes, (hu, name) in zip(figure.subplots(1, len(groups), squeeze=False)[0], groups, strict=True):
        members = [one for one in histograms if one.hu is hu]
        for one in members:
            axes.stairs(
                _percent(one.shares), one.edges, baseline=None, color=colours[one.source], alpha=0.6, linewidth=0.9
            )
        if len(members) > 1 and all(np.array_equal(one.edges, members[0].edges) for one in members):
            pooled = np.mean([one.shares for one in members], axis=0)
            axes.stairs(_percent(pooled), members[0].edges, baseline=None, color="black", linewidth=1.8)
        log_axis(axes, "y")
        axes.set_xlabel(name, fontsize=FONT_POINTS)
        axes.set_ylabel("voxels per bin (%)", fontsize=FONT_POINTS)
        axes.set_title(f"{len(members)} case{'s' if len(members) > 1 else ''}", fontsize=FONT_POINTS + 1)
        _tidy(axes)
    _source_legend(figure, colours, pooled=len(histograms) > 1)
    return figure


def class_frequencies(table: pd.DataFrame, labels: LabelTable) -> Figure:
    """Mean share of the voxels per class as bars on a logarithmic scale, and each annotated case as a point.

    A case without any voxel of a class has no point there, but counts in the mean; below the class stands how many of
    the cases in which it is labelled have it.
    """
    figure = new_figure(1.6 * len(labels) + 1.2, 4.2)
    axes = figure.subplots()
    annotated = table[table[f"frequency_{labels.names[0]}"].notna()]
    ticks = []
    for label, name in enumerate(labels.names):
        shares = annotated[f"frequency_{name}"].dropna().to_numpy(dtype=float)
        seen = shares[shares > 0]
        mean = f"mean {shares.mean():.4f}\n" if shares.size else ""
        ticks.append(f"{name}\n{mean}{seen.size} of {shares.size} cases")
        if not seen.size:
            continue
        colour = unit_rgb(labels.colours[label])
        axes.bar(label, shares.mean(), width=0.7, color=colour, alpha=0.75)
        aside = np.linspace(-0.25, 0.25, seen.size) if seen.size > 1 else np.zeros(1)
        axes.scatter(label + aside, seen, color="white", edgecolors="#4D4D4D", s=22, zorder=3)
    log_axis(axes, "y")
    axes.set_xticks(range(len(labels)), ticks, fontsize=FONT_POINTS)
    axes.set_ylabel("share of all voxels", fontsize=FONT_POINTS)
    _tidy(axes)
    return figure


def montage(
    image: Volume, mask: Volume | None, labels: LabelTable, *, title: str = "", slices: int = MONTAGE_SLICES
) -> Figure:
    """A row of axial slices from the feet (left) to the head, evenly spread, with the outlines of the classes.

    As radiologists look at them: the patient's right at the picture's left, the front at the top. `image`: HU (shown in
    the lung window), grey values or colours of 0..255; `mask`: uint8 class numbers on the image's grid, or None.
    """
    depth = image.grid.shape[2]
    indices = montage_slices(mask, depth, slices)
    panels = [(f"slice {index + 1} of {depth}", index, mask) for index in indices]
    if depth == 1:  # also without the outlines, which hide what is small
        panels = [("image", 0, None), ("classes", 0, mask)] if mask is not None else [("image", 0, None)]
    panel_in = SLICE_IN if depth > 1 else SINGLE_SLICE_IN
    width_mm, height_mm = (image.grid.shape[axis] * image.spacing_mm[axis] for axis in (0, 1))
    slice_height_in = panel_in * min(height_mm / width_mm, LONGEST_PANEL)
    figure = new_figure(panel_in * len(panels), slice_height_in + 0.75, layout="compressed")
    black, white = display_window(image.array)
    row = picture_panels(figure, 1, len(panels))[0]
    for axes, (heading, index, outlined) in zip(row, panels, strict=True):
        extent = (0.0, width_mm, height_mm, 0.0)
        picture = shown_slice(image.array, index)
        axes.imshow(picture, cmap="gray", vmin=black, vmax=white, extent=extent, interpolation="nearest")
        axes.set_title(heading, fontsize=FONT_POINTS - 2)
        if outlined is not None:
            draw_contours(axes, radiological_slice(outlined.array, index), labels, extent_mm=extent)
        if without_place(image):
            continue
        write_on_picture(axes, 0.02, 0.5, text="R", horizontal="left", vertical="center")
        write_on_picture(axes, 0.98, 0.5, text="L", horizontal="right", vertical="center")
    if mask is not None:
        outlines = legend_patches(labels, 0.0)
        columns = min(len(outlines), 7)
        figure.legend(
            handles=outlines, loc="outside lower center", ncols=columns, frameon=False, fontsize=FONT_POINTS - 1
        )
    if title:
        figure.suptitle(title, fontsize=FONT_POINTS)
    return figure


def montage_slices(mask: Volume | None, depth: int, count: int) -> list[int]:
    """At most `count` slice indices, evenly spread over those with any labelled voxel, or over all `depth` slices."""
    candidates = np.arange(depth)
    if mask is not None:
        labelled = np.flatnonzero(mask.array.any(axis=(0, 1)))
        candidates = labelled if labelled.size else candidates
    count = min(count, candidates.size)
    places = (np.arange(count) + 0.5) * candidates.size / count  # the middle of each of `count` equal stacks
    return [int(candidates[int(place)]) for place in places]


def _percent(shares: np.ndarray) -> np.ndarray:
    """Per cent per bin; empty bins become NaN, for a logarithmic scale shows no zero."""
    return np.where(shares > 0, 100 * shares, np.nan)


def _source_colours(sources) -> dict[str, str]:
    return {source: COLOURS[index % len(COLOURS)] for index, source in enumerate(sorted(set(sources)))}


def _source_legend(figure: Figure, colours: dict[str, str], pooled: bool = False) -> None:
    lines = [Line2D([], [], color=colour, label=source or "unnamed") for source, colour in colours.items()]
    if pooled:
        lines.append(Line2D([], [], color="black", linewidth=1.8, label="mean of the cases"))
    figure.legend(
        handles=lines, loc="outside lower center", ncols=min(len(lines), 4), frameon=False, fontsize=FONT_POINTS
    )


def _tidy(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#DDDDDD", linewidth=0.6)
    axes.set_axisbelow(True)
