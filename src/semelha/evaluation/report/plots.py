"""Curves of the report as SVG, in the colors of the page: ROC, DET, CMC, OSCR, reliability and gallery size."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping
from itertools import cycle
from typing import Literal

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter, NullLocator
from numpy.typing import NDArray
from scipy.stats import norm

from semelha.evaluation.result import MeanRange, Result
from semelha.language import Words

INK, FAINT = "#010203", "#040506"  # placeholders for the colors of the page: tokens.css
COLORS = ("#010207", "#010208", "#010209", "#01020a")  # also placeholders
POINTS = 400
MIN_DOT, MAX_DOT = 6, 400  # points², of the dots of no probes and of all
TICKS = (1e-5, 1e-4, 0.001, 0.01, 0.05, 0.2, 0.5, 0.8, 0.95, 0.99, 0.999)
TOKENS = dict(zip((INK, FAINT, *COLORS), ("ink", "edge", "accent", "warn", "focus", "soft"), strict=True))

Curve = tuple[NDArray[np.float64], NDArray[np.float64]]


def roc(results: Mapping[str, Result], words: Words) -> str:
    """True acceptance rate against false acceptance rate."""
    curves = {name: (result.verification.far, result.verification.tar) for name, result in results.items()}
    non_mated = max(result.verification.non_mated for result in results.values())
    return _rising(curves, non_mated, "plot.far", "plot.tar", "lower right", words)


def det(results: Mapping[str, Result], words: Words) -> str:
    """FNIR against FPIR on normal-deviate axes, with the calibrated point of each embedder."""
    non_mated = max(max(result.open_set.hindsight.non_mated for result in results.values()), 1)
    mated = max(max(result.open_set.hindsight.mated for result in results.values()), 1)

    def draw(axes: Axes) -> None:
        for color, (name, result) in zip(cycle(COLORS), results.items(), strict=False):
            found = result.open_set
            curve = deviates(*_thinned(found.hindsight.fpir, found.hindsight.fnir), non_mated, mated)
            axes.plot(*curve, color=color, label=name)
            if found.fpir_achieved is not None and found.fnir_achieved is not None:
                _draw_calibrated(axes, result, color, non_mated, mated)
        target = next(iter(results.values())).open_set.fpir_target
        axes.axvline(float(norm.ppf(target)), color=FAINT, linestyle=":")
        axes.set(xlim=norm.ppf([0.4 / non_mated, 1 - 0.4 / max(non_mated, 50)]))
        axes.set(ylim=norm.ppf([0.4 / mated, 1 - 0.4 / max(mated, 50)]))
        for which in (axes.xaxis, axes.yaxis):
            low, high = which.get_view_interval()
            ticks = [tick for tick in TICKS if low <= norm.ppf(tick) <= high]
            which.set_ticks(norm.ppf(ticks), [words.rate(tick) for tick in ticks])
        axes.set(xlabel=words.t("plot.fpir"), ylabel=words.t("plot.fnir"))
        axes.legend(frameon=False, labelcolor=INK, loc="upper right")

    return svg(draw)


def deviates(fpir: NDArray[np.float64], fnir: NDArray[np.float64], non_mated: int, mated: int) -> Curve:
    """Map a DET curve to normal-deviate axes (Martin et al., Eurospeech 1997).

    Normally distributed scores give a straight line. Rates of 0 and 1, at infinity, are drawn at half of one error.
    """
    x = norm.ppf(np.clip(fpir, 0.5 / non_mated, 1 - 0.5 / non_mated))
    return np.asarray(x), np.asarray(norm.ppf(np.clip(fnir, 0.5 / mated, 1 - 0.5 / mated)))


def _draw_calibrated(axes: Axes, result: Result, color: str, non_mated: int, mated: int) -> None:
    """Draw the achieved rates as a dot and their intervals as a cross."""
    found = result.open_set
    intervals = {} if result.intervals is None else result.intervals.figures
    point = np.array([found.fpir_achieved]), np.array([found.fnir_achieved])
    (x,), (y,) = deviates(*point, non_mated, mated)
    for name, value, along in (("fpir_achieved", y, "x"), ("fnir_achieved", x, "y")):
        ends = intervals.get(name)
        if ends is not None:
            a, b = deviates(np.array(ends), np.array(ends), non_mated, mated)
            axes.plot(*((a, [value, value]) if along == "x" else ([value, value], b)), color=color, linewidth=1)
    axes.plot([x], [y], "o", color=color, markersize=8)


def cmc(results: Mapping[str, Result], words: Words) -> str:
    """Identification rate at each rank, with the interval of the first embedder."""

    def draw(axes: Axes) -> None:
        for number, (color, (name, result)) in enumerate(zip(cycle(COLORS), results.items(), strict=False)):
            ranks = np.arange(1, len(result.cmc) + 1)
            if number == 0 and result.intervals is not None:
                axes.fill_between(ranks, *result.intervals.cmc, color=color, alpha=0.18, linewidth=0)
            axes.plot(ranks, result.cmc, color=color, label=name, marker="o" if len(ranks) < 3 else None)
        max_rank = max(len(result.cmc) for result in results.values())
        axes.set(xscale="log", xlim=(1, max(max_rank, 2)), ylim=(0, 1.01))
        ticks = [tick for tick in (1, 2, 5, 10, 20, 50, 100) if tick <= max(max_rank, 2)]
        axes.xaxis.set_ticks(ticks, [str(tick) for tick in ticks])
        axes.xaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_major_formatter(_percent(words))
        axes.set(xlabel=words.t("plot.rank"), ylabel=words.t("plot.identification"))
        axes.legend(frameon=False, labelcolor=INK, loc="lower right")

    return svg(draw)


def oscr(results: Mapping[str, Result], words: Words) -> str:
    """Correct classification rate against false-positive rate."""
    curves = {name: (result.open_set.oscr.fpr, result.open_set.oscr.ccr) for name, result in results.items()}
    non_mated = max(result.open_set.hindsight.non_mated for result in results.values())
    return _rising(curves, non_mated, "plot.accepted", "plot.identified", "best", words)


def _rising(
    curves: dict[str, Curve], trials: int, x: str, y: str, legend: Literal["lower right", "best"], words: Words
) -> str:
    """Curves against a false rate on a log axis, from one error in the trials; x and y are keys of texts."""

    def draw(axes: Axes) -> None:
        axes.set(xscale="log", xlim=(max(1 / max(trials, 10), 1e-6), 1), ylim=(0, 1.01))
        for color, (name, curve) in zip(cycle(COLORS), curves.items(), strict=False):
            axes.plot(*_thinned(*curve), color=color, label=name)
        axes.set(xlabel=words.t(x), ylabel=words.t(y))
        axes.xaxis.set_major_formatter(_percent(words))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.yaxis.set_major_formatter(_percent(words))
        axes.legend(frameon=False, labelcolor=INK, loc=legend)

    return svg(draw)


def reliability(results: Mapping[str, Result], words: Words) -> str:
    """Fraction of correct answers against predicted probability; empty if it was not measured."""
    found = {name: result.open_set.probability.reliability for name, result in results.items()}
    measured = {name: (COLORS[i % len(COLORS)], curve) for i, (name, curve) in enumerate(found.items()) if curve}

    def draw(axes: Axes) -> None:
        axes.plot([0, 1], [0, 1], color=FAINT, linestyle=":")
        for name, (color, curve) in measured.items():
            axes.plot(curve.predicted, curve.observed, color=color, linewidth=1, alpha=0.35)
            axes.scatter(
                curve.predicted, curve.observed, MIN_DOT + MAX_DOT * curve.weight, color=color, alpha=0.8, linewidth=0
            )
            axes.plot([], [], "o", color=color, label=name)
        axes.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03))
        axes.set(xlabel=words.t("plot.predicted"), ylabel=words.t("plot.correct"))
        axes.xaxis.set_major_formatter(_percent(words))
        axes.yaxis.set_major_formatter(_percent(words))
        axes.legend(frameon=False, labelcolor=INK, loc="best")

    return svg(draw) if measured else ""


def gallery_sizes(result: Result, words: Words) -> str:
    """FNIR and FPIR against the number of enrolled subjects, in two panels."""
    found = result.open_set
    target = words.rate(found.fpir_target)
    hindsight, calibrated = words.t("plot.hindsight", rate=target), words.t("calibrated")

    def draw(fnir: Axes, fpir: Axes) -> None:
        _draw_ranges(fnir, {s.subjects: s.fnir_at_fpir for s in found.gallery_sizes}, "o:", hindsight)
        _draw_ranges(fnir, {s.subjects: s.fnir_achieved for s in found.gallery_sizes}, "o-", calibrated)
        _draw_ranges(fpir, {s.subjects: s.fpir_achieved for s in found.gallery_sizes}, "o-", calibrated)
        fpir.axhline(found.fpir_target, color=FAINT, linestyle=":", label=words.t("plot.target", rate=target))
        for axes in (fnir, fpir):
            axes.set_xscale("log")
            axes.set_ylim(bottom=0)
            axes.margins(x=0.08)
            axes.yaxis.set_major_formatter(_percent(words))
            axes.xaxis.set_minor_locator(NullLocator())
            if axes.get_legend_handles_labels()[0]:
                axes.legend(frameon=False, labelcolor=INK, loc="best", fontsize=8)
        fnir.set(ylabel="FNIR")
        ticks = [size.subjects for size in found.gallery_sizes]
        fpir.xaxis.set_ticks(ticks, [words.localized(f"{tick:,}") for tick in ticks])
        fpir.set(xlabel=words.t("plot.enrolled"), ylabel="FPIR", xlim=(ticks[0] / 1.15, ticks[-1] * 1.15))

    return svg(draw, panels=2)


def _percent(words: Words) -> FuncFormatter:
    """Labels of an axis in percent."""
    return FuncFormatter(lambda value, _: words.rate(float(f"{value:.3g}")))


def _draw_ranges(axes: Axes, ranges: dict[int, MeanRange | None], line: str, label: str) -> None:
    """Draw means as a line, and the range of each as a bar."""
    known = [(subjects, each) for subjects, each in ranges.items() if each is not None]
    if known:
        means = [each.mean for _, each in known]
        axes.plot([subjects for subjects, _ in known], means, line, color=COLORS[0], markersize=4, label=label)
    for subjects, each in known:
        axes.plot([subjects, subjects], [each.low, each.high], color=COLORS[0], linewidth=0.8)


def _thinned(x: NDArray[np.float64], y: NDArray[np.float64]) -> Curve:
    """At most a few hundred points of a rising curve, spaced evenly on its log."""
    if len(x) <= POINTS:
        return x, y
    wanted = np.logspace(np.log10(max(float(x[x > 0].min(initial=1.0)), 1e-9)), 0, POINTS)
    kept = np.unique(np.concatenate([[0], np.searchsorted(x, wanted).clip(0, len(x) - 1), [len(x) - 1]]))
    return x[kept], y[kept]


def svg(draw: Callable[..., None], *, panels: int = 1) -> str:
    """Draw on one or more panels that share an x axis, and return the SVG."""
    with matplotlib.rc_context({"svg.fonttype": "none", "font.family": "sans-serif", "svg.hashsalt": "semelha"}):
        figure = Figure(figsize=(5.2, 3.9), layout="constrained")
        figure.patch.set_alpha(0)
        axes = figure.subplots(panels, 1, sharex=True, squeeze=False)[:, 0]
        draw(*axes)
        for each in axes:
            _style(each)
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


def _style(axes: Axes) -> None:
    axes.patch.set_alpha(0)
    axes.grid(True, color=FAINT, alpha=0.25, linewidth=0.6)
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.tick_params(which="both", colors=INK, length=0, pad=6, labelsize=9)
    axes.xaxis.label.set_color(INK)
    axes.yaxis.label.set_color(INK)
