"""Curves, as SVG that takes its colors from the page."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from numpy.typing import NDArray

from semelha.evaluation.result import Result

INK, FAINT = "#010203", "#040506"  # stand-ins, which become the page's colors
COLORS = ("#0b6e4f", "#c8553d", "#7a7a9d", "#b08d2e")
POINTS = 400


def roc(results: Mapping[str, Result]) -> str:
    """True against false acceptance rate, the latter on a log scale, for each embedder."""

    def draw(axes: Axes) -> None:
        for color, (name, result) in zip(COLORS, results.items(), strict=False):
            found = result.verification
            axes.plot(*_thinned(found.far, found.tar), color=color, label=name)
        lowest = min((1 / max(result.verification.non_mated, 10) for result in results.values()), default=1e-4)
        axes.set(xscale="log", xlim=(max(lowest, 1e-6), 1), ylim=(0, 1.01))
        axes.set(xlabel="false acceptance rate (log)", ylabel="true acceptance rate")
        axes.legend(frameon=False, labelcolor=INK, loc="lower right")

    return _svg(draw)


def det(results: Mapping[str, Result]) -> str:
    """FNIR against FPIR on log axes, thresholds of hindsight, with the calibrated point of each embedder."""

    def draw(axes: Axes) -> None:
        strangers = max((result.open_set.hindsight.non_mated for result in results.values()), default=10)
        for color, (name, result) in zip(COLORS, results.items(), strict=False):
            found = result.open_set
            axes.plot(*_thinned(found.hindsight.fpir, found.hindsight.fnir), color=color, label=f"{name}, hindsight")
            if found.fpir_achieved is not None and found.fnir_achieved is not None:
                at = max(found.fpir_achieved, 0.5 / max(strangers, 1))
                axes.plot([at], [found.fnir_achieved], "o", color=color, markersize=8, label=f"{name}, calibrated")
        target = next(iter(results.values())).open_set.fpir_target
        axes.axvline(target, color=FAINT, linestyle=":")
        axes.set(xscale="log", yscale="log", xlim=(0.5 / max(strangers, 1), 1), ylim=(0.005, 1.1))
        axes.set(
            xlabel="false-positive identification rate (log)",
            ylabel="false-negative identification rate (log)",
        )
        axes.legend(frameon=False, labelcolor=INK, fontsize=8, loc="lower left")

    return _svg(draw)


def _thinned(x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """At most a few hundred points of a rising curve, spread over its log."""
    if len(x) <= POINTS:
        return x, y
    wanted = np.logspace(np.log10(max(float(x[x > 0].min(initial=1.0)), 1e-9)), 0, POINTS)
    kept = np.unique(np.concatenate([[0], np.searchsorted(x, wanted).clip(0, len(x) - 1), [len(x) - 1]]))
    return x[kept], y[kept]


def _svg(draw: Callable[[Axes], None]) -> str:
    with matplotlib.rc_context({"svg.fonttype": "none", "font.family": "sans-serif", "svg.hashsalt": "semelha"}):
        figure = Figure(figsize=(5.2, 3.9), layout="constrained")
        figure.patch.set_alpha(0)
        axes = figure.add_subplot()
        axes.patch.set_alpha(0)
        axes.grid(True, color=FAINT, alpha=0.25, linewidth=0.6)
        draw(axes)
        for spine in axes.spines.values():
            spine.set_visible(False)
        axes.tick_params(which="both", colors=INK, length=0, labelsize=9)
        axes.xaxis.label.set_color(INK)
        axes.yaxis.label.set_color(INK)
        file = io.StringIO()
        FigureCanvasSVG(figure)
        figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
    svg = file.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r'(<svg[^>]*?) height="[^"]*"', r'\1 class="plot" role="img"', svg, count=1)
    for color, name in {INK: "ink", FAINT: "faint", COLORS[0]: "right", COLORS[1]: "wrong"}.items():
        svg = svg.replace(color, f"var(--{name})")
    return svg
