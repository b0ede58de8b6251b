"""Curves of the report as SVG, in the colors of the page."""

from __future__ import annotations

from collections.abc import Mapping

from matplotlib.axes import Axes
from matplotlib.ticker import NullLocator

from semelha.evaluation.display import EvaluationDisplay
from semelha.evaluation.result import MeanRange, Result
from semelha.language import Words
from semelha.plots import COLORS, faint, percent, svg


def curve(kind: type[EvaluationDisplay], results: Mapping[str, Result], words: Words) -> str:
    """The display of some results."""
    return svg(lambda ax: kind(results).plot(ax, language=words.language))


def gallery_sizes(result: Result, words: Words) -> str:
    """FNIR and FPIR against the number of enrolled subjects, in two panels."""
    found = result.open_set
    target = words.rate(found.fpir_target)
    hindsight, calibrated = words.t("plot.hindsight", rate=target), words.t("calibrated")

    def draw(fnir: Axes, fpir: Axes) -> None:
        _draw_ranges(fnir, {s.subjects: s.fnir_at_fpir for s in found.gallery_sizes}, "o:", hindsight)
        _draw_ranges(fnir, {s.subjects: s.fnir_achieved for s in found.gallery_sizes}, "o-", calibrated)
        _draw_ranges(fpir, {s.subjects: s.fpir_achieved for s in found.gallery_sizes}, "o-", calibrated)
        fpir.axhline(found.fpir_target, color=faint(), linestyle=":", label=words.t("plot.target", rate=target))
        for axes in (fnir, fpir):
            axes.set_xscale("log")
            axes.set_ylim(bottom=0)
            axes.margins(x=0.08)
            axes.yaxis.set_major_formatter(percent(words))
            axes.xaxis.set_minor_locator(NullLocator())
            if axes.get_legend_handles_labels()[0]:
                axes.legend(loc="best", fontsize=8)
        fnir.set(ylabel="FNIR")
        ticks = [size.subjects for size in found.gallery_sizes]
        fpir.xaxis.set_ticks(ticks, [words.localized(f"{tick:,}") for tick in ticks])
        fpir.set(xlabel=words.t("plot.enrolled"), ylabel="FPIR", xlim=(ticks[0] / 1.15, ticks[-1] * 1.15))

    return svg(draw, panels=2)


def _draw_ranges(axes: Axes, ranges: dict[int, MeanRange | None], line: str, label: str) -> None:
    """Draw means as a line, and the range of each as a bar."""
    known = [(subjects, each) for subjects, each in ranges.items() if each is not None]
    if known:
        means = [each.mean for _, each in known]
        axes.plot([subjects for subjects, _ in known], means, line, color=COLORS[0], markersize=4, label=label)
    for subjects, each in known:
        axes.plot([subjects, subjects], [each.low, each.high], color=COLORS[0], linewidth=0.8)
