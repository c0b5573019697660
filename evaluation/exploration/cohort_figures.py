"""What a cohort file holds, as figures: its labels, severity, CTSI and slices, its studies before and after masking.

The distributions are those of figures 1.3 to 1.6 of the thesis "GPU enabled CNN based COVID-19 HRCT images classifier"
(PSG Tech).
"""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pneumoseg.data_io.console import track
from pneumoseg.data_io.datasets.cohort_file import CohortEntry, CohortHeader, read_header, read_study
from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.storage.atomic import folder_aside, replace_folder, restore_replaced
from pneumoseg.data_io.volumes.hounsfield import AIR_HU
from pneumoseg.evaluation.figures.overlays import LUNG_WINDOW_HU, radiological_slice
from pneumoseg.evaluation.figures.saving import COLOURS, FONT_POINTS, new_figure, save_figure
from pneumoseg.evaluation.measures.severity import CATEGORIES, category

DISTRIBUTIONS = "cohort.png"
LABEL_NAMES: dict[bool | None, str] = {False: "healthy", True: "diseased", None: "unknown"}
LABEL_COLOURS = dict(zip(LABEL_NAMES, (COLOURS[0], COLOURS[1], COLOURS[6]), strict=True))
CTSI_VALUES = np.arange(26)
SLICE_BINS = 12

STUDIES_PER_ROW, ROWS = 4, 6
PANEL_IN = 1.55
MOST_LETTERS = 26


def check_figures(folder: Path, *, overwrite: bool = False) -> None:
    """Raises InputError where figures cannot be written to the folder: a file, or a folder that is not empty and holds
    other things than such figures, or, without `overwrite`, anything."""
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: figures are written into a folder, found a file; choose another name")
    names = sorted(path.name for path in folder.glob("*")) if folder.exists() else []
    if names and not (overwrite and (folder / DISTRIBUTIONS).is_file() and all(_is_ours(name) for name in names)):
        message = f"{folder}: must be free for figures, found {names[0]}; choose another folder or overwrite it"
        raise InputError(message, options=("overwrite",))


def draw_cohort(cohort: Path, folder: Path) -> list[Path]:
    """Writes cohort.png, the distributions, and studies_001.png and so on, contact sheets before and after masking,
    into the folder, which is replaced; returns their paths."""
    header = read_header(cohort)
    restore_replaced(folder)
    each = STUDIES_PER_ROW * ROWS
    starts = range(0, len(header.entries), each)
    names = [DISTRIBUTIONS, *(f"studies_{number:03d}.png" for number in range(1, len(starts) + 1))]
    with folder_aside(folder) as aside:
        made = aside / folder.name
        made.mkdir()
        save_figure(distributions(header), made / DISTRIBUTIONS)
        for start, name in zip(track(starts, "contact sheets"), names[1:], strict=True):
            studies = [
                (entry.name, *read_study(cohort, index))
                for index, entry in enumerate(header.entries[start : start + each], start)
            ]
            spacings = [entry.spacing_mm for entry in header.entries[start : start + each]]
            save_figure(contact_sheet(studies, spacings), made / name)
        replace_folder(made, folder)
    return [folder / name for name in names]


def distributions(header: CohortHeader) -> Figure:
    """Studies by label, by severity category, by CTSI (the whole number of score / 4) and by slices of the CT; coloured
    by label. Studies without a score are not in the second and third panel, whose titles count them."""
    entries, figure = header.entries, new_figure(10, 7)
    panels = figure.subplots(2, 2).ravel()
    labels = [label for label in LABEL_NAMES if any(entry.diseased == label for entry in entries)]
    counts = Counter(entry.diseased for entry in entries)
    names = [LABEL_NAMES[label] for label in labels]
    bars = panels[0].bar(names, [counts[label] for label in labels], color=[LABEL_COLOURS[label] for label in labels])
    panels[0].bar_label(bars, fontsize=FONT_POINTS - 1)
    scored = [(entry, entry.score) for entry in entries if entry.score is not None]
    without = f", {len(entries) - len(scored)} without a score" if len(scored) < len(entries) else ""
    places = [name for _, name in CATEGORIES]
    _stacked(panels[1], places, [(entry, places.index(category(score))) for entry, score in scored], labels)
    ctsi = [(entry, int(score // 4)) for entry, score in scored]
    _stacked(panels[2], [str(value) for value in CTSI_VALUES], ctsi, labels, counted=False)
    panels[2].set_xticks(CTSI_VALUES[::5], [str(value) for value in CTSI_VALUES[::5]])
    slices = [[entry.slices for entry in entries if entry.diseased == label] for label in labels]
    least, most = (choose(entry.slices for entry in entries) for choose in (min, max))
    edges = np.arange(least - 0.5, most + 1 + (step := -(-(most - least + 1) // SLICE_BINS)), step)
    panels[3].hist(slices, edges, stacked=True, color=[LABEL_COLOURS[label] for label in labels], label=names)
    titles = ("label", f"severity{without}", f"CTSI, score / 4{without}", "slices of the CT")
    for axes, title, below in zip(panels, titles, ("", "", "CTSI (0 to 25)", "slices"), strict=True):
        axes.set_title(title, fontsize=FONT_POINTS + 1)
        axes.set_xlabel(below, fontsize=FONT_POINTS)
        axes.set_ylabel("studies", fontsize=FONT_POINTS)
        axes.spines[["top", "right"]].set_visible(False)
        axes.yaxis.get_major_locator().set_params(integer=True)
        axes.set_ylim(0, 1.12 * axes.dataLim.y1)
    panels[3].xaxis.get_major_locator().set_params(integer=True)
    handles, _ = panels[3].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside upper center", ncols=3, frameon=False, fontsize=FONT_POINTS)
    return figure


def contact_sheet(
    studies: Sequence[tuple[str, np.ndarray, np.ndarray]], spacings_mm: Sequence[tuple[float, float, float]]
) -> Figure:
    """Up to 24 studies (name, image in HU, lungs, both (z, y, x)), each by its axial slice with most lung, before and
    after masking, seen from the feet; outside the mask is air. `spacings_mm`: along x, y, z."""
    columns = min(STUDIES_PER_ROW, len(studies))
    rows = -(-len(studies) // columns)
    figure = new_figure(2 * PANEL_IN * columns, (PANEL_IN + 0.22) * rows + 0.1)
    panels = figure.subplots(rows, 2 * columns, squeeze=False)
    for axes in panels.flat:
        axes.set_axis_off()
    for (name, image, lungs), (x_mm, y_mm, _), pair in zip(studies, spacings_mm, panels.reshape(-1, 2), strict=False):
        place = int(np.argmax(np.count_nonzero(lungs, axis=(1, 2))))
        masked = np.where(lungs[place] > 0, image[place], AIR_HU)
        extent = (0.0, image.shape[2] * x_mm, image.shape[1] * y_mm, 0.0)
        for axes, plane in zip(pair, (image[place], masked), strict=True):
            picture = radiological_slice(plane.T[:, :, None], 0)
            axes.imshow(
                picture, "gray", vmin=LUNG_WINDOW_HU[0], vmax=LUNG_WINDOW_HU[1], extent=extent, interpolation="nearest"
            )
        short = name if len(name) <= MOST_LETTERS else f"{name[: MOST_LETTERS - 1]}…"
        pair[0].set_title(short, fontsize=FONT_POINTS - 4, loc="left", pad=2)
    return figure


def _stacked(
    axes: Axes,
    names: Sequence[str],
    placed: Sequence[tuple[CohortEntry, int]],
    labels: Sequence[bool | None],
    *,
    counted: bool = True,
) -> None:
    """Bars of the studies at each place, one label on another; the whole number above each where they are `counted`."""
    below = np.zeros(len(names))
    for label in labels:
        count = np.bincount([place for entry, place in placed if entry.diseased == label], minlength=len(names))
        bars = axes.bar(np.arange(len(names)), count, bottom=below, color=LABEL_COLOURS[label])
        below += count
    if counted:
        axes.bar_label(bars, [f"{value:.0f}" for value in below], fontsize=FONT_POINTS - 1)
    axes.set_xticks(np.arange(len(names)), names)


def _is_ours(name: str) -> bool:
    return name == DISTRIBUTIONS or (name.startswith("studies_") and name.endswith(".png"))
