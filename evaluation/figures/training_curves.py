"""The trainings of several runs side by side: loss and score by epoch, a row per run."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
from matplotlib.figure import Figure

from pneumoseg.data_io.errors import InputError
from pneumoseg.evaluation.figures.fitting_curves import metric_panel
from pneumoseg.evaluation.figures.saving import COLOURS, FONT_POINTS, new_figure

LOSS = "loss"
MOST_RUNS = 40


@dataclass(frozen=True, eq=False)
class RunCurves:
    """The curves of one run: `histories`, one per fold, as `fitting_curves.read_history` gives them; `score`: the
    column that is shown beside the loss; `best`: the epoch (from 0) that was kept, by fold, None where it is unknown.
    """

    name: str
    histories: Sequence[pd.DataFrame]
    score: str
    best: Sequence[int | None]


def training_curves(runs: Sequence[RunCurves]) -> Figure:
    """A row of panels per run: the loss, and the score where it is another; training solid, validation dashed, a line
    per fold, and the epoch that was kept, where the run has one fold. Epochs count from 1.

    Of more than 40 runs the first 40 are drawn. Raises InputError where no run has a history.
    """
    shown = [run for run in runs if run.histories][:MOST_RUNS]
    if not shown:
        raise InputError("training curves need a run with a training history (fold_K/history.csv), found none")
    columns = 2 if any(run.score != LOSS for run in shown) else 1
    figure = new_figure(4.8 * columns + 0.4, 2.9 * len(shown) + 0.7)
    panels = figure.subplots(len(shown), columns, squeeze=False)
    for row, run in zip(panels, shown, strict=True):
        metrics = list(dict.fromkeys([LOSS, run.score]))
        for axes, metric in zip(row, metrics, strict=False):
            for history in run.histories:
                metric_panel(axes, history.assign(epoch=history["epoch"] + 1), metric)
            if len(run.histories) == 1 and run.best[0] is not None:
                label = "epoch that was kept"
                axes.axvline(run.best[0] + 1, color=COLOURS[6], linestyle=":", linewidth=1.6, label=label)
            axes.set_title(f"{run.name}: {metric.replace('_', ' ')}", fontsize=FONT_POINTS + 1)
        for axes in row[len(metrics) :]:
            axes.set_axis_off()
    lines = {
        label: line for axes in panels.ravel() for line, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    figure.legend(
        lines.values(), lines.keys(), loc="outside lower center", ncols=3, frameon=False, fontsize=FONT_POINTS
    )
    return figure
