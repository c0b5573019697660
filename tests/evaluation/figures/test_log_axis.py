"""Logarithmic axes have plain numbers."""

import pytest

from pneumoseg.evaluation.figures.log_axis import log_axis
from pneumoseg.evaluation.figures.saving import new_figure


@pytest.mark.parametrize(
    ("values", "labels"),
    [([0.0004, 0.0011], ["0.0005", "0.001"]), ([1, 30], ["1", "2", "5", "10", "20"]),
     ([1e-6, 1e-1], ["1e−06", "1e−05", "0.0001", "0.001", "0.01", "0.1"])],
)  # fmt: skip
@pytest.mark.parametrize("which", ["x", "y"])
def test_steps_of_1_2_5_or_powers_of_ten(which, values, labels):
    axes = new_figure(4, 3).subplots()
    axes.plot(values, values)
    log_axis(axes, which)
    axis = axes.xaxis if which == "x" else axes.yaxis
    low, high = axis.get_view_interval()
    places = [place for place in axis.get_majorticklocs() if low <= place <= high]
    assert axis.get_major_formatter().format_ticks(places) == labels
    assert not any(axis.get_minor_formatter().format_ticks(axis.get_minorticklocs()))
