"""How well a predicted probability tells diseased from healthy: ROC, precision-recall and calibration curve."""

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from sklearn.metrics import precision_recall_curve, roc_curve

from pneumoseg.evaluation.figures.saving import COLOURS, FONT_POINTS, new_figure
from pneumoseg.evaluation.measures.classification import average_precision, calibration_bins
from pneumoseg.evaluation.measures.ranking import roc_auc

PANEL_IN = 4.6
TITLES = (
    ("ROC", "1 - specificity", "sensitivity"),
    ("precision-recall", "sensitivity (recall)", "precision"),
    ("calibration (studies in each bin)", "mean predicted probability", "share of diseased"),
)
"""Title of each panel, and its axes."""
CHANCE: dict[str, Any] = {"color": "0.6", "linewidth": 1.0, "linestyle": "--", "zorder": 1}


def label_curves(labelled: pd.DataFrame) -> Figure:
    """ROC and precision-recall curve, of all folds together and faintly of each, and the calibration curve in bins.

    `labelled`: a row per study, as of `scoring.study_predictions.with_labels`: fold, diseased (bool), probability,
    threshold. A dot marks the threshold of the labels where all folds have the same one. Dashed: chance, or perfect
    calibration. Each bin of the calibration says how many studies it holds.
    """
    figure = new_figure(3 * PANEL_IN, PANEL_IN + 0.2)
    roc, precision_recall, calibration = figure.subplots(1, 3)
    several = labelled["fold"].nunique() > 1
    parts = [(f"fold {fold}", part) for fold, part in labelled.groupby("fold")] if several else []
    for name, part in [*parts, ("all", labelled)]:
        diseased, probability = part["diseased"].to_numpy(bool), part["probability"].to_numpy(float)
        if diseased.all() or not diseased.any():
            continue
        whole = name == "all"
        style = {"linewidth": 2.2, "color": COLOURS[0], "zorder": 3} if whole else {"linewidth": 0.9, "color": "0.75"}
        false_rate, true_rate, _ = roc_curve(diseased, probability, drop_intermediate=False)
        roc.plot(false_rate, true_rate, label=f"AUC {roc_auc(diseased, probability):.3f}" if whole else None, **style)
        precision, recall, _ = precision_recall_curve(diseased, probability)
        whole_found = int((recall == 1).sum()) - 1  # at lower thresholds only more healthy ones are found
        label = f"average precision {average_precision(diseased, probability):.3f}" if whole else None
        precision_recall.plot(
            recall[whole_found:], precision[whole_found:], drawstyle="steps-post", label=label, **style
        )
    if several:
        for axes in (roc, precision_recall):
            axes.plot([], [], linewidth=0.9, color="0.75", label="single folds")
    _threshold(roc, precision_recall, labelled)
    roc.plot([0, 1], [0, 1], **CHANCE)
    precision_recall.axhline(labelled["diseased"].mean(), **CHANCE)
    _calibration(calibration, labelled)
    for axes, (title, x, y) in zip((roc, precision_recall, calibration), TITLES, strict=True):
        axes.set_title(title, fontsize=FONT_POINTS + 1)
        axes.set_xlabel(x, fontsize=FONT_POINTS)
        axes.set_ylabel(y, fontsize=FONT_POINTS)
        axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal")
        axes.tick_params(labelsize=FONT_POINTS - 1)
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(color="0.92")
        axes.set_axisbelow(True)
    for axes, place in ((roc, "lower right"), (precision_recall, "lower left")):
        if axes.get_legend_handles_labels()[0]:
            axes.legend(loc=place, fontsize=FONT_POINTS - 1, frameon=False)
        else:
            axes.text(0.5, 0.5, "one class alone: no curve", ha="center", fontsize=FONT_POINTS)
    return figure


def _threshold(roc: Axes, precision_recall: Axes, labelled: pd.DataFrame) -> None:
    """A dot where the labels are decided."""
    thresholds = labelled["threshold"].unique()
    diseased, predicted = labelled["diseased"].to_numpy(bool), labelled["predicted"].to_numpy(bool)
    if len(thresholds) != 1 or diseased.all() or not diseased.any() or not predicted.any():
        return
    sensitivity = predicted[diseased].mean()
    dot: dict[str, Any] = {"marker": "o", "markersize": 8, "zorder": 4, "color": COLOURS[1]}
    label = f"threshold {thresholds[0]:.2f}"
    roc.plot([predicted[~diseased].mean()], [sensitivity], linestyle="", label=label, **dot)
    precision_recall.plot([sensitivity], [diseased[predicted].mean()], linestyle="", label=label, **dot)


def _calibration(axes: Axes, labelled: pd.DataFrame) -> None:
    bins = calibration_bins(labelled["diseased"].to_numpy(bool), labelled["probability"].to_numpy(float))
    axes.plot([0, 1], [0, 1], **CHANCE)
    axes.plot(bins.predicted, bins.observed, color=COLOURS[0], linewidth=1.2, zorder=2)
    sizes = 40 + 160 * bins.count / max(1, bins.count.max())
    axes.scatter(bins.predicted, bins.observed, s=sizes, color=COLOURS[0], edgecolors="white", zorder=3)
    for x, y, count in zip(bins.predicted, bins.observed, bins.count, strict=True):
        below = y > 0.5
        axes.annotate(
            f"{count}", (x, y), xytext=(0, -11 if below else 11), textcoords="offset points", ha="center",
            va="top" if below else "bottom", fontsize=FONT_POINTS - 2, color="0.25",
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5, "alpha": 0.8},
        )  # fmt: skip
