"""Displays: the curves of an evaluation on Matplotlib axes, to be restyled."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullFormatter, NullLocator
from numpy.typing import NDArray
from scipy.stats import norm

from semelha.arguments import check_types
from semelha.errors import UsageError
from semelha.evaluation.result import STANDARD_BASELINES, Evaluation, Result
from semelha.language import Words, words_in
from semelha.plots import Curve, axes_or_new, faint, percent, thinned

TICKS = (1e-5, 1e-4, 0.001, 0.01, 0.05, 0.2, 0.5, 0.8, 0.95, 0.99, 0.999)
MIN_DOT, MAX_DOT = 6, 400  # points², of the dots of no probes and of all
BARS = 60  # of a histogram of distances


def results_by_name(evaluation: Evaluation, words: Words) -> dict[str, Result]:
    """The results of the model and of its baselines, under their names in a language."""
    results = {words.t("baseline.model"): evaluation.result}
    for name, result in evaluation.baselines.items():
        results[words.t(f"baseline.{name}") if name in STANDARD_BASELINES else name] = result
    return results


class EvaluationDisplay(ABC):
    """A picture of an evaluation, on Matplotlib axes.

    Parameters
    ----------
    results : mapping of str to Result
        Of each embedder, under the name in the legend: `Evaluation.result` and `Evaluation.baselines`.

    Attributes
    ----------
    ax_, figure_ : Axes, Figure
        After `plot`.
    lines_ : dict of str to Line2D
        The line of each embedder, by its name.
    """

    ax_: Axes
    figure_: Figure | SubFigure
    lines_: dict[str, Line2D]

    def __init__(self, results: Mapping[str, Result]) -> None:
        self.results = results

    @classmethod
    @check_types
    def from_evaluation(
        cls, evaluation: Evaluation, *, ax: Axes | None = None, language: str | None = None, **line: Any
    ) -> Self:
        """Plot the model and its baselines. The arguments are those of `plot`."""
        results = results_by_name(evaluation, words_in(language))
        return cls(results).plot(ax, language=language, **line)

    def plot(self, ax: Axes | None = None, *, language: str | None = None, **line: Any) -> Self:
        """Plot on some axes, or on those of a new figure.

        The language of the labels is "en" or "pt-BR"; None is that of the locale. Other arguments are those of
        Matplotlib's `plot`, such as `linewidth`, for the line of each embedder. Colors follow the cycle of the axes.
        Raises `UsageError` for another language, or without results.
        """
        words = words_in(language)
        if not self.results:
            raise UsageError("results is empty: a display needs one result or more")
        self.ax_, self.figure_ = axes_or_new(ax)
        self.lines_ = {}
        self._draw(self.ax_, words, line)
        return self

    @abstractmethod
    def _draw(self, ax: Axes, words: Words, line: dict[str, Any]) -> None:
        """Draw each result, label the axes, and remember the lines."""

    def _add(self, name: str, curve: Curve, line: dict[str, Any]) -> Line2D:
        (self.lines_[name],) = self.ax_.plot(*curve, **{"label": name, **line})
        return self.lines_[name]


class DetCurveDisplay(EvaluationDisplay):
    """False negatives against false positives in an open set, on normal-deviate axes (Martin et al., 1997).

    Dots are the calibrated rules, crosses their intervals; the dotted line is the target rate.
    """

    def _draw(self, ax: Axes, words: Words, line: dict[str, Any]) -> None:
        found = [result.open_set for result in self.results.values()]
        non_mated = max(1, *(each.hindsight.non_mated for each in found))
        mated = max(1, *(each.hindsight.mated for each in found))
        for name, result in self.results.items():
            curve = thinned(result.open_set.hindsight.fpir, result.open_set.hindsight.fnir)
            drawn = self._add(name, deviates(*curve, non_mated, mated), line)
            if result.open_set.fpir_achieved is not None and result.open_set.fnir_achieved is not None:
                _draw_calibrated(ax, result, drawn.get_color(), non_mated, mated)
        ax.axvline(float(norm.ppf(found[0].fpir_target)), color=faint(), linestyle=":")
        ax.set(xlim=norm.ppf([0.4 / non_mated, 1 - 0.4 / max(non_mated, 50)]))
        ax.set(ylim=norm.ppf([0.4 / mated, 1 - 0.4 / max(mated, 50)]))
        for which in (ax.xaxis, ax.yaxis):
            low, high = which.get_view_interval()
            ticks = [tick for tick in TICKS if low <= norm.ppf(tick) <= high]
            which.set_ticks(norm.ppf(ticks), [words.rate(tick) for tick in ticks])
        ax.set(xlabel=words.t("plot.fpir"), ylabel=words.t("plot.fnir"))
        ax.legend(loc="upper right")


def deviates(fpir: NDArray[np.float64], fnir: NDArray[np.float64], non_mated: int, mated: int) -> Curve:
    """Map a DET curve to normal-deviate axes (Martin et al., Eurospeech 1997).

    Normally distributed scores give a straight line. Rates of 0 and 1, at infinity, are drawn at half of one error.
    """
    x = norm.ppf(np.clip(fpir, 0.5 / non_mated, 1 - 0.5 / non_mated))
    return np.asarray(x), np.asarray(norm.ppf(np.clip(fnir, 0.5 / mated, 1 - 0.5 / mated)))


def _draw_calibrated(ax: Axes, result: Result, color: Any, non_mated: int, mated: int) -> None:
    """Draw the achieved rates as a dot and their intervals as a cross."""
    found = result.open_set
    intervals = {} if result.intervals is None else result.intervals.figures
    point = np.array([found.fpir_achieved]), np.array([found.fnir_achieved])
    (x,), (y,) = deviates(*point, non_mated, mated)
    for name, value, along in (("fpir_achieved", y, "x"), ("fnir_achieved", x, "y")):
        ends = intervals.get(name)
        if ends is not None:
            a, b = deviates(np.array(ends), np.array(ends), non_mated, mated)
            cross = (a, [value, value]) if along == "x" else ([value, value], b)
            ax.plot(*cross, color=color, linewidth=1, linestyle="-")
    ax.plot([x], [y], "o", color=color, markersize=8)


class CmcDisplay(EvaluationDisplay):
    """Rate of probes whose subject is among the k nearest subjects (CMC), with the interval of the first embedder."""

    def _draw(self, ax: Axes, words: Words, line: dict[str, Any]) -> None:
        for number, (name, result) in enumerate(self.results.items()):
            ranks = np.arange(1.0, len(result.cmc) + 1)
            marker = {"marker": "o"} if len(ranks) < 3 else {}
            drawn = self._add(name, (ranks, result.cmc), {**marker, **line})
            if number == 0 and result.intervals is not None:
                ax.fill_between(ranks, *result.intervals.cmc, color=drawn.get_color(), alpha=0.18, linewidth=0)
        max_rank = max(2, *(len(result.cmc) for result in self.results.values()))
        ax.set(xscale="log", xlim=(1, max_rank), ylim=(0, 1.01))
        ticks = [tick for tick in (1, 2, 5, 10, 20, 50, 100) if tick <= max_rank]
        ax.xaxis.set_ticks(ticks, [str(tick) for tick in ticks])
        ax.xaxis.set_minor_locator(NullLocator())
        ax.yaxis.set_major_formatter(percent(words))
        ax.set(xlabel=words.t("plot.rank"), ylabel=words.t("plot.identification"))
        ax.legend(loc="lower right")


class RocCurveDisplay(EvaluationDisplay):
    """Pairs of one class accepted against pairs of two classes accepted, over all thresholds."""

    def _draw(self, ax: Axes, words: Words, line: dict[str, Any]) -> None:
        pairs = {name: result.verification for name, result in self.results.items()}
        _label_rates(ax, max(found.non_mated for found in pairs.values()), words)
        for name, found in pairs.items():
            self._add(name, thinned(found.far, found.tar), line)
        ax.set(xlabel=words.t("plot.far"), ylabel=words.t("plot.tar"))
        ax.legend(loc="lower right")


class OscrDisplay(EvaluationDisplay):
    """Mated probes correctly named against non-mated probes accepted, over all thresholds (Dhamija et al., 2018)."""

    def _draw(self, ax: Axes, words: Words, line: dict[str, Any]) -> None:
        found = {name: result.open_set for name, result in self.results.items()}
        _label_rates(ax, max(each.hindsight.non_mated for each in found.values()), words)
        for name, each in found.items():
            self._add(name, thinned(each.oscr.fpr, each.oscr.ccr), line)
        ax.set(xlabel=words.t("plot.accepted"), ylabel=words.t("plot.identified"))
        ax.legend(loc="best")


def _label_rates(ax: Axes, trials: int, words: Words) -> None:
    """A false rate on a log axis, from one error in the trials, and a true rate."""
    ax.set(xscale="log", xlim=(max(1 / max(trials, 10), 1e-6), 1), ylim=(0, 1.01))
    ax.xaxis.set_major_formatter(percent(words))
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.yaxis.set_major_formatter(percent(words))


class ReliabilityDisplay(EvaluationDisplay):
    """Fraction of correct answers against predicted probability; larger dots stand for more probes.

    An embedder whose probabilities could not be measured has no line.
    """

    def _draw(self, ax: Axes, words: Words, line: dict[str, Any]) -> None:
        ax.plot([0, 1], [0, 1], color=faint(), linestyle=":")
        for name, result in self.results.items():
            found = result.open_set.probability.reliability
            if found is None:
                ax.plot([], [])  # so that each embedder has the same color in all plots
                continue
            drawn = self._add(name, (found.predicted, found.observed), {"linewidth": 1, "marker": ".", **line})
            sizes = MIN_DOT + MAX_DOT * found.weight
            ax.scatter(found.predicted, found.observed, sizes, color=drawn.get_color(), alpha=0.8, linewidth=0)
        ax.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03))
        ax.set(xlabel=words.t("plot.predicted"), ylabel=words.t("plot.correct"))
        ax.xaxis.set_major_formatter(percent(words))
        ax.yaxis.set_major_formatter(percent(words))
        if self.lines_:
            ax.legend(loc="best")


class DistanceDisplay(EvaluationDisplay):
    """Distances of pairs of one class and of pairs of two classes, each as fractions of all; of the first result only.

    The dashed line is the threshold of the equal error rate. Distances of two embedders have different units: choose
    one of the results. Infinite distances are left out.

    Attributes
    ----------
    lines_ : dict of str to Line2D
        The outlines under the names of the legend, first that of pairs of one class.
    """

    def _draw(self, ax: Axes, words: Words, line: dict[str, Any]) -> None:
        found = next(iter(self.results.values())).verification
        for key, rates in (("plot.same", found.tar), ("plot.different", found.far)):
            edges, heights = histogram(found.thresholds, rates)
            x, y = np.repeat(edges, 2), np.concatenate([[0], np.repeat(heights, 2), [0]]) if len(heights) else heights
            drawn = self._add(words.t(key), (x, y), line)
            ax.fill_between(x, y, color=drawn.get_color(), alpha=0.18, linewidth=0)
        finite = np.isfinite(found.thresholds)
        if finite.any():
            gaps = np.abs(found.far + found.tar - 1)[finite]
            ax.axvline(float(found.thresholds[finite][gaps.argmin()]), color=faint(), linestyle=":")
        ax.set(xlabel=words.t("plot.distance"), ylabel=words.t("plot.pairs"))
        ax.set_ylim(bottom=0)
        ax.yaxis.set_major_formatter(percent(words))
        ax.legend(loc="best")


def histogram(thresholds: NDArray[np.float64], rates: NDArray[np.float64]) -> Curve:
    """Edges (BARS + 1,) and heights (BARS,) of a histogram, from the rates that thresholds accept: (points,) each.

    Both are empty without two finite thresholds.
    """
    finite = np.isfinite(thresholds)
    x, y = thresholds[finite], rates[finite]
    if len(x) < 2:
        return np.empty(0), np.empty(0)
    edges = np.linspace(x[0], x[-1], BARS + 1)
    return edges, np.diff(np.interp(edges, x, y))
