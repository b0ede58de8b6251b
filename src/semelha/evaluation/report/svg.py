"""Matplotlib figures as SVG, with the colors and the font of the page."""

from __future__ import annotations

import io
import re
from collections.abc import Callable

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

INK, FAINT = "#010203", "#040506"  # placeholders for the colors of the page
COLORS = ("#0b6e4f", "#c8553d", "#7a7a9d", "#b08d2e")


def svg(draw: Callable[..., None], *, panels: int = 1) -> str:
    """Draw on one or more panels that share an x axis, and return the SVG."""
    with matplotlib.rc_context({"svg.fonttype": "none", "font.family": "sans-serif", "svg.hashsalt": "semelha"}):
        figure = Figure(figsize=(5.2, 3.9), layout="constrained")
        figure.patch.set_alpha(0)
        axes = figure.subplots(panels, 1, sharex=True, squeeze=False)[:, 0]
        draw(*axes)
        for each in axes:
            _plain(each)
        file = io.StringIO()
        FigureCanvasSVG(figure)
        figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
    text = file.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", text, count=1)
    text = re.sub(r'(<svg[^>]*?) height="[^"]*"', r'\1 class="plot" role="img"', text, count=1)
    for color, name in {INK: "ink", FAINT: "faint", COLORS[0]: "right", COLORS[1]: "wrong"}.items():
        text = text.replace(color, f"var(--{name})")
    return text


def _plain(axes: Axes) -> None:
    axes.patch.set_alpha(0)
    axes.grid(True, color=FAINT, alpha=0.25, linewidth=0.6)
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.tick_params(which="both", colors=INK, length=0, pad=6, labelsize=9)
    axes.xaxis.label.set_color(INK)
    axes.yaxis.label.set_color(INK)
