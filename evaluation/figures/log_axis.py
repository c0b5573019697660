"""Logarithmic axes with plain numbers."""

from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, StrMethodFormatter


def log_axis(axes: Axes, which: str) -> None:
    """Makes axis `which` ("x" or "y") logarithmic, with plain numbers at 1, 2, 5, 10, ... or at the powers of ten.

    To be called when all is drawn or the limits are set: the range decides how many numbers there are.
    """
    scale, axis = (axes.set_xscale, axes.xaxis) if which == "x" else (axes.set_yscale, axes.yaxis)
    scale("log")
    low, high = axis.get_view_interval()
    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if high < 1000 * low else (1.0,), numticks=20))
    axis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axis.set_minor_formatter("")
