"""Loss and metrics by epoch."""

import math
from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.storage.csv_files import read_table
from pneumoseg.evaluation.figures.log_axis import log_axis
from pneumoseg.evaluation.figures.saving import COLOURS, FONT_POINTS, new_figure, save_figure

NOT_METRICS = ("epoch", "seconds")
VALIDATION = "val_"
LEARNING_RATE = "learning_rate"
COLUMNS_OF_PANELS = 2


def read_history(path: str | Path) -> pd.DataFrame:
    """Reads a `history.csv`, one row per epoch: `epoch`, and any of loss, learning_rate, seconds, further metrics and
    their `val_` counterparts; empty cells become NaN. Where an epoch recurs (a resumed run), the later row counts.

    Raises InputError for a file that is missing, empty or not CSV, for a missing `epoch` and for text in a column.
    """
    if not Path(path).is_file():
        raise InputError(f"{path}: no such training history")
    history = read_table(path)
    if "epoch" not in history or not len(history):
        raise InputError(f"{path}: a training history has a column epoch and at least one row")
    text = [column for column in history if not pd.api.types.is_numeric_dtype(history[column])]
    if text:
        raise InputError(f"{path}: columns must hold numbers, found text in {', '.join(map(str, text))}")
    return history.drop_duplicates("epoch", keep="last").sort_values("epoch", ignore_index=True)


def fitting_curves(history: pd.DataFrame, title: str = "") -> Figure:
    """One panel per metric, training and validation against the epoch; the learning rate on a logarithmic axis.

    `history`: as `read_history` returns it; epochs are shown as the log counts them, from 1. That of the lowest
    validation loss is marked where there is one. Raises InputError where there is nothing to draw.
    """
    metrics = list(dict.fromkeys(str(name).removeprefix(VALIDATION) for name in history if name not in NOT_METRICS))
    if "epoch" not in history or not metrics:
        raise InputError(f"a fitting curve needs a column epoch and a metric, found {', '.join(map(str, history))}")
    metrics.sort(key=lambda name: (name == LEARNING_RATE, name != "loss"))  # loss first, learning rate last
    history = history.assign(epoch=history["epoch"] + 1)  # the file counts from 0
    lowest = _lowest_validation_loss(history)

    columns = min(len(metrics), COLUMNS_OF_PANELS)
    rows = math.ceil(len(metrics) / columns)
    figure = new_figure(max(4.6 * columns, 5.5), 3.3 * rows + 0.9)
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, metric in zip(panels, metrics, strict=False):
        metric_panel(axes, history, metric)
        if lowest is not None:
            label = f"lowest validation loss (epoch {lowest})"
            axes.axvline(lowest, color=COLOURS[6], linestyle=":", linewidth=1.6, label=label)
    for axes in panels[len(metrics) :]:
        axes.set_axis_off()
    if title:
        figure.suptitle(title, fontsize=FONT_POINTS + 3)
    entries = {
        label: handle for axes in panels for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    figure.legend(
        entries.values(),
        entries.keys(),
        loc="outside lower center",
        ncols=min(3, columns + 1),
        frameon=False,
        fontsize=FONT_POINTS,
    )
    return figure


def metric_panel(axes: Axes, history: pd.DataFrame, metric: str) -> None:
    """Training and validation of one metric against the epoch, as `history` counts it; the learning rate alone, on a
    logarithmic axis. May be called again for the same axes, with the history of another fold."""
    series = [("training", metric, COLOURS[0], "-"), ("validation", VALIDATION + metric, COLOURS[1], "--")]
    if metric == LEARNING_RATE:
        series = [("", metric, COLOURS[2], "-")]  # no place in the legend: the title says all
    for label, column, colour, line in series:
        if column not in history:
            continue
        known = history[["epoch", column]].dropna()
        # Marks make single points visible, as when validation runs only every tenth epoch.
        mark = "o" if len(known) <= 30 else None
        axes.plot(known["epoch"], known[column], line, color=colour, marker=mark, markersize=3.5, label=label)
    if metric == LEARNING_RATE and (history[metric].dropna() > 0).all():
        log_axis(axes, "y")
    axes.set_title(metric.replace("_", " "), fontsize=FONT_POINTS + 1)
    axes.set_xlabel("epoch", fontsize=FONT_POINTS)
    axes.tick_params(labelsize=FONT_POINTS - 1)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
    axes.grid(color="0.88")
    axes.spines[["top", "right"]].set_visible(False)


def _lowest_validation_loss(history: pd.DataFrame) -> int | None:
    """Its epoch; None without any validation."""
    if VALIDATION + "loss" not in history or history[VALIDATION + "loss"].isna().all():
        return None
    return int(history["epoch"].to_numpy()[history[VALIDATION + "loss"].argmin()])


def draw_history(folder: Path) -> None:
    """Draws `folder`/history.csv, where there is one, to fitting_curve.png."""
    path = folder / "history.csv"
    if path.is_file():
        save_figure(fitting_curves(read_history(path), title=folder.name), folder / "fitting_curve.png")
