"""Plots by Matplotlib: axes for displays, labels of axes, and SVG in the colors of the reports."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from typing import Any

import matplotlib
import numpy as np
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure, SubFigure
from matplotlib.ticker import FuncFormatter
from numpy.typing import NDArray

from semelha.language import Words

INK, FAINT = "#010203", "#040506"  # placeholders for the colors of the page: tokens.css
COLORS = ("#010207", "#010208", "#010209", "#01020a", "#01020b", "#01020c")  # also placeholders
TOKENS = dict(zip((INK, FAINT, *COLORS), ("ink", "edge", "accent", "warn", "focus", "soft", "bad", "ink"), strict=True))
LINES = ("-", "--", "-.", (0, (1, 1)), (0, (5, 1, 1, 1, 1, 1)), (0, (8, 3)))
POINTS = 400
SIDES = ("left", "right", "top", "bottom")
STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "semelha",
    "font.family": "sans-serif",
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "axes.prop_cycle": cycler(color=COLORS, linestyle=LINES),
    "axes.grid": True,
    "axes.labelcolor": INK,
    "axes.axisbelow": True,
    **{f"axes.spines.{side}": False for side in SIDES},
    "grid.color": FAINT,
    "grid.alpha": 0.25,
    "grid.linewidth": 0.6,
    "text.color": INK,
    "text.parse_math": False,  # a dollar in a name is a dollar
    "legend.frameon": False,
    **{f"{axis}tick.{name}": value for axis in "xy" for name, value in (("color", INK), ("labelsize", 9))},
    **{
        f"{axis}tick.{which}.{name}": value
        for axis in "xy"
        for which in ("major", "minor")
        for name, value in (("size", 0), ("pad", 6))
    },
}

Curve = tuple[NDArray[np.float64], NDArray[np.float64]]


def svg(draw: Callable[..., object], *, panels: int = 1, size: tuple[float, float] = (5.2, 3.9)) -> str:
    """Draw on one or more panels that share an x axis, and return the SVG. The size is in inches."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=size, layout="constrained")
        axes = figure.subplots(panels, 1, sharex=True, squeeze=False)[:, 0]
        draw(*axes)
        file = io.StringIO()
        FigureCanvasSVG(figure)
        figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
    text = file.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", text, count=1)
    text = re.sub(r'(<svg[^>]*?) height="[^"]*"', r'\1 class="plot" role="img"', text, count=1)
    for color, name in TOKENS.items():
        text = text.replace(color, f"var(--{name})")
    return text


def axes_or_new(ax: Axes | None) -> tuple[Axes, Figure | SubFigure]:
    """The axes and their figure; without axes those of a new figure of pyplot."""
    if ax is None:
        from matplotlib import pyplot

        figure, ax = pyplot.subplots(layout="constrained")
        return ax, figure
    return ax, ax.figure


def faint() -> str:
    """The color of lines in the background."""
    return str(matplotlib.rcParams["grid.color"])


def percent(words: Words) -> FuncFormatter:
    """Labels of an axis in percent."""
    return FuncFormatter(lambda value, _: words.rate(float(f"{value:.3g}")))


def thinned(x: NDArray[np.float64], y: NDArray[np.float64]) -> Curve:
    """At most a few hundred points of a rising curve, spaced evenly on its log."""
    if len(x) <= POINTS:
        return x, y
    wanted = np.logspace(np.log10(max(float(x[x > 0].min(initial=1.0)), 1e-9)), 0, POINTS)
    kept = np.unique(np.concatenate([[0], np.searchsorted(x, wanted).clip(0, len(x) - 1), [len(x) - 1]]))
    return x[kept], y[kept]
