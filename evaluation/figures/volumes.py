"""How well the predicted volumes of a class agree with the reference volumes, case by case."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from pneumoseg.data_io.errors import InputError, nearest
from pneumoseg.evaluation.figures.log_axis import log_axis
from pneumoseg.evaluation.figures.saving import COLOURS, FONT_POINTS, new_figure
from pneumoseg.evaluation.scoring.mask_columns import VOLUMES

DECADES_FOR_LOG = 2.0
LEAST_CASES = 3
"""With fewer cases, a standard deviation says next to nothing about the next case."""
MOST_NAMED = 6
EQUAL: dict[str, Any] = {"color": "0.45", "linestyle": "--", "linewidth": 1.2, "zorder": 1}
LIMIT: dict[str, Any] = {"color": "black", "linestyle": ":", "linewidth": 1.3, "zorder": 1}


def limits_of_agreement(reference_ml: np.ndarray, prediction_ml: np.ndarray) -> tuple[float, float, float]:
    """Bias and 95 % limits of agreement (Bland & Altman, Lancet 327:307-310, 1986): (bias, low, high) in ml.

    `reference_ml`, `prediction_ml`: volumes (cases,) in ml; pairs with a NaN do not count. bias: mean of prediction -
    reference; low, high: bias -+ 1.96 sd of these differences (n - 1 in the denominator). The limits are NaN for fewer
    than 3 pairs, the bias is NaN for none. Raises InputError for different shapes.
    """
    reference_ml, prediction_ml = np.asarray(reference_ml, dtype=float), np.asarray(prediction_ml, dtype=float)
    if reference_ml.ndim != 1 or reference_ml.shape != prediction_ml.shape:
        raise InputError(
            "volumes to compare must be two lists of one length, found shapes "
            f"{reference_ml.shape} and {prediction_ml.shape}"
        )
    differences = prediction_ml - reference_ml
    differences = differences[~np.isnan(differences)]
    bias = float(differences.mean()) if differences.size else float("nan")
    if differences.size < LEAST_CASES:
        return bias, float("nan"), float("nan")
    reach = 1.96 * float(differences.std(ddof=1))
    return bias, bias - reach, bias + reach


def class_rows(detailed: pd.DataFrame, class_name: str) -> pd.DataFrame:
    """The rows of a detailed table that belong to one class; InputError where it has none."""
    rows = detailed[detailed["class"] == class_name]
    if rows.empty:
        present = list(dict.fromkeys(detailed["class"]))
        raise InputError(f"the score table has no class {class_name}{nearest(class_name, present)}")
    return rows


def volume_agreement(detailed: pd.DataFrame, class_name: str = "infection") -> Figure:
    """Two panels: predicted against reference volume with the line of equal volumes, and the Bland-Altman plot.

    Bland-Altman: difference (prediction - reference) against the mean of both, all in ml, with `limits_of_agreement`;
    for fewer than 3 cases there are no limits. Cases outside the limits have a mark of their own and, up to 6 of them,
    their names. Volume axes are logarithmic where the volumes span more than two decades and none is 0. Cases where
    both masks are empty count: they agree. `detailed`: as `scoring.tables.detailed_table`; rows without volumes are
    left out and counted below. Raises InputError for a class that the table lacks.
    """
    rows = class_rows(detailed, class_name)
    known = rows.dropna(subset=list(VOLUMES))
    reference, prediction = (known[column].to_numpy(dtype=float) for column in VOLUMES)
    differences, means = prediction - reference, (prediction + reference) / 2
    limits = limits_of_agreement(reference, prediction)
    # Equal differences have limits of no width: rounding alone must put no case outside.
    slack = 1e-9 * max(reference.max(initial=0), prediction.max(initial=0))
    outside = (differences < limits[1] - slack) | (differences > limits[2] + slack)

    figure = new_figure(11.5, 5.2)
    scatter, bland_altman = figure.subplots(1, 2, width_ratios=(1, 1.15))
    _volume_axes(scatter, bland_altman, reference, prediction)
    bland_altman.axhline(0, **EQUAL)
    _difference_axis(bland_altman, differences, limits, float(means.max(initial=0)))
    _write_limits(bland_altman, limits)
    for axes, x, y in ((scatter, reference, prediction), (bland_altman, means, differences)):
        _points(axes, x[~outside], y[~outside], label="case", mark="o", colour=COLOURS[0])
        if outside.any():
            _points(
                axes, x[outside], y[outside], label="case outside the limits of agreement", mark="D", colour=COLOURS[1]
            )
            if np.count_nonzero(outside) <= MOST_NAMED:
                _name(axes, x[outside], y[outside], list(known["case"][outside]))
        axes.grid(color="0.9")
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=FONT_POINTS - 1)
        if known.empty:
            axes.text(0.5, 0.5, "no volumes", transform=axes.transAxes, ha="center", fontsize=FONT_POINTS)
    scatter.set_box_aspect(1)
    for axes, x_name, y_name in (
        (scatter, "reference (ml)", "prediction (ml)"),
        (bland_altman, "mean of reference and prediction (ml)", "prediction − reference (ml)"),
    ):
        axes.set_xlabel(x_name, fontsize=FONT_POINTS)
        axes.set_ylabel(y_name, fontsize=FONT_POINTS)
    left_out = f", {len(rows) - len(known)} without volumes left out" if len(rows) > len(known) else ""
    figure.suptitle(f"Volume of {class_name} (n = {len(known)}{left_out})", fontsize=FONT_POINTS + 3)
    figure.legend(
        *scatter.get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False, fontsize=FONT_POINTS
    )
    return figure


def _volume_axes(scatter: Axes, bland_altman: Axes, reference: np.ndarray, prediction: np.ndarray) -> None:
    volumes = np.concatenate([reference, prediction])
    low, high = volumes.min(initial=np.inf), volumes.max(initial=0.0)
    logarithmic = bool(low > 0) and bool(high > 10**DECADES_FOR_LOG * low)
    shown = (low / 1.6, high * 1.6) if logarithmic else (-0.03 * (high or 1.0), 1.06 * (high or 1.0))
    for set_limits in (scatter.set_xlim, scatter.set_ylim, bland_altman.set_xlim):
        set_limits(*shown)
    if logarithmic:
        log_axis(scatter, "x")
        log_axis(scatter, "y")
        log_axis(bland_altman, "x")
    scatter.plot(shown, shown, label="equal volumes", **EQUAL)


def _difference_axis(
    axes: Axes, differences: np.ndarray, limits: tuple[float, float, float], largest_ml: float
) -> None:
    """A range with 0, all cases and the limits; never so narrow that rounding errors would look like differences."""
    _, low, high = np.nan_to_num(limits)
    bottom = min(0.0, low, differences.min(initial=0.0))
    top = max(0.0, high, differences.max(initial=0.0))
    margin = max(0.1 * (top - bottom), 0.005 * largest_ml) or 1.0
    axes.set_ylim(bottom - margin, top + margin)


def _write_limits(axes: Axes, limits: tuple[float, float, float]) -> None:
    bias, low, high = limits
    if np.isnan(bias):
        return
    axes.axhline(bias, color="black", linewidth=1.5, zorder=1)
    if np.isnan(low):
        _beside(axes, bias, f"bias\n{_ml(bias)}\n\nfewer than\n{LEAST_CASES} cases:\nno limits", "center")
        return
    axes.axhline(low, **LIMIT)
    axes.axhline(high, **LIMIT)
    bottom, top = axes.get_ylim()
    if high - low < 0.16 * (top - bottom):  # the three would be written over each other
        text = f"bias\n{_ml(bias)}\n\n± 1.96 sd\n{_ml(low)}\nto {_ml(high)}"
        _beside(axes, bias, text, "center")
        return
    _beside(axes, high, f"+ 1.96 sd\n{_ml(high)}", "bottom")
    _beside(axes, bias, f"bias\n{_ml(bias)}", "center")
    _beside(axes, low, f"− 1.96 sd\n{_ml(low)}", "top")


def _beside(axes: Axes, y: float, text: str, vertical: str) -> None:
    axes.text(1.015, y, text, transform=axes.get_yaxis_transform(), va=vertical, fontsize=FONT_POINTS - 1)


def _points(axes: Axes, x: np.ndarray, y: np.ndarray, *, label: str, mark: str, colour: str) -> None:
    axes.plot(
        x, y, mark, color=colour, markersize=7, markeredgecolor="white", markeredgewidth=0.6, label=label, zorder=3
    )


def _name(axes: Axes, x: np.ndarray, y: np.ndarray, names: list[str]) -> None:
    """Names beside the points, towards the middle of the panel; a name that would lie on another's is left out."""
    places = (axes.transScale + axes.transLimits).transform(np.column_stack([x, y]))
    written: list[np.ndarray] = []
    for own_x, own_y, place, name in zip(x, y, places, names, strict=True):
        if any(abs(place[1] - other[1]) < 0.05 and abs(place[0] - other[0]) < 0.5 for other in written):
            continue
        written.append(place)
        left = place[0] < 0.5
        axes.annotate(
            name, (own_x, own_y), (8 if left else -8, 0), textcoords="offset points", ha="left" if left else "right",
            va="center", fontsize=FONT_POINTS - 2, zorder=4, path_effects=[withStroke(linewidth=2.5, foreground="w")],
        ).set_in_layout(False)  # fmt: skip


def _ml(value: float) -> str:
    """A volume for readers: three digits or more, a real minus sign."""
    places = 0 if abs(value) >= 99.95 else 1 if abs(value) >= 9.995 else 2
    text = f"{round(value, places) + 0.0:.{places}f}"  # + 0.0: no minus before a zero
    return f"{text.replace('-', '−')} ml"
