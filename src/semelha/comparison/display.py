"""Displays on Matplotlib axes, to be restyled: compared methods against their costs, and settings that were tried."""

from __future__ import annotations

from itertools import cycle
from typing import Any, Self

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, NullLocator

from semelha.arguments import check_choice, check_types
from semelha.comparison.result import Comparison, MethodResult
from semelha.comparison.result import Figure as Estimate
from semelha.comparison.spaces import Range
from semelha.comparison.tuned import SettingsTrial, Tuning, shown_number
from semelha.language import Words, words_in
from semelha.plots import axes_or_new, faint, percent

FAMILIES = ("model", "learned distance", "features", "histograms", "network", "network without labels")
"""Those that have a title in each language. Each has the same color and marker in all plots."""
COSTS = ("training", "embedding")
MARKERS = "os^DvPX*"
TICKS = (*(10.0**power for power in range(-7, 2)), 60, 600, 3600, 36000, 360000)  # seconds
SIZE = (290, 200)  # points, of the axes of a figure of usual size
MARGIN = 2.5  # factor between the points and the ends of the axis
INTERVALS = ("default", "found")  # trials that have one
EDGE = 0.06  # of an axis, beyond what is drawn
GAP = 4  # factor between 0 and the lowest cost


class CostDisplay:
    """R@1 of each measured method against its cost, with 95% intervals.

    Families differ in color and marker. The number beside a point is the place of the method in
    `Comparison.methods`, from 1. The dotted line joins the methods that no other one beats in both. What costs nothing
    stands on the left, at 0.

    Parameters
    ----------
    comparison : Comparison
    cost : {"training", "embedding"}
        Time to learn from the classes of one fold, or time to embed one picture.

    Attributes
    ----------
    ax_, figure_ : Axes, Figure
        After `plot`.
    lines_ : dict of str to Line2D
        The points of each family.
    """

    ax_: Axes
    figure_: Figure | SubFigure
    lines_: dict[str, Line2D]

    def __init__(self, comparison: Comparison, cost: str = "training") -> None:
        self.comparison = comparison
        self.cost = cost

    @classmethod
    @check_types
    def from_comparison(
        cls,
        comparison: Comparison,
        *,
        cost: str = "training",
        ax: Axes | None = None,
        language: str | None = None,
        **line: Any,
    ) -> Self:
        """Plot a comparison. The other arguments are those of `plot`."""
        return cls(comparison, cost).plot(ax, language=language, **line)

    def plot(self, ax: Axes | None = None, *, language: str | None = None, **line: Any) -> Self:
        """Plot on some axes, or on those of a new figure.

        The language of the labels is "en" or "pt-BR"; None is that of the locale. Other arguments are those of
        Matplotlib's `plot`, such as `markersize`, for the points. Colors follow the cycle of the axes. Raises
        `UsageError` for another language or cost.
        """
        check_choice("cost", self.cost, COSTS)
        words = words_in(language)
        self.ax_, self.figure_ = axes_or_new(ax)
        self.lines_ = {}
        measured = {
            number: (one, cost)
            for number, one in enumerate(self.comparison.methods, 1)
            if one.r_at_1 is not None and (cost := self._seconds(one)) is not None
        }
        zero = _label_costs(self.ax_, [cost for _, cost in measured.values()], words)
        families = dict.fromkeys([*FAMILIES, *(one.family for one, _ in measured.values())])
        for family, marker in zip(families, cycle(MARKERS), strict=False):
            own = {number: (one, max(cost, zero)) for number, (one, cost) in measured.items() if one.family == family}
            self._draw_family(family, marker, own, words, line)
        points = {
            number: (max(cost, zero), one.r_at_1.value)
            for number, (one, cost) in measured.items()
            if one.r_at_1 is not None
        }
        _write_numbers(self.ax_, points)
        self.ax_.plot(*_front(list(points.values())), color=faint(), linestyle=":", drawstyle="steps-post", zorder=1)
        self.ax_.set(xlabel=words.t(f"plot.{self.cost}"), ylabel="R@1")
        if measured:
            self.ax_.legend(loc="best")
        return self

    def _seconds(self, method: MethodResult) -> float | None:
        if self.cost == "training":
            return method.seconds
        return None if method.milliseconds is None else method.milliseconds / 1000

    def _draw_family(
        self, family: str, marker: str, own: dict[int, tuple[MethodResult, float]], words: Words, line: dict[str, Any]
    ) -> None:
        label = family_title(family, words)
        if not own:
            self.ax_.plot([], [])  # takes its color
            return
        points = [(cost, one.r_at_1.value) for one, cost in own.values() if one.r_at_1 is not None]
        style = {"label": label, "marker": marker, "linestyle": "none", "markersize": 7, **line}
        (drawn,) = self.ax_.plot(*np.transpose(points), **style)
        self.lines_[family] = drawn
        for one, cost in own.values():
            if one.r_at_1 is not None and one.r_at_1.low is not None and one.r_at_1.high is not None:
                ends = [one.r_at_1.low, one.r_at_1.high]
                self.ax_.plot([cost, cost], ends, color=drawn.get_color(), linestyle="-", linewidth=1)


class SettingDisplay:
    """R@1 of each trial of a tuning on the selection classes, against one of its settings.

    The defaults and the settings found have 95% intervals. Trials that were stopped early, or failed, are crosses at
    the bottom.

    Parameters
    ----------
    tuning : Tuning
    setting : str
        A name in `Tuning.space`.

    Attributes
    ----------
    ax_, figure_ : Axes, Figure
        After `plot`.
    lines_ : dict of str to Line2D
        The points: "default", "found", "other" and "unmeasured", those that there are.
    """

    ax_: Axes
    figure_: Figure | SubFigure
    lines_: dict[str, Line2D]

    def __init__(self, tuning: Tuning, setting: str) -> None:
        self.tuning = tuning
        self.setting = setting

    @classmethod
    @check_types
    def from_tuning(
        cls, tuning: Tuning, setting: str, *, ax: Axes | None = None, language: str | None = None, **line: Any
    ) -> Self:
        """Plot a tuning. The other arguments are those of `plot`."""
        return cls(tuning, setting).plot(ax, language=language, **line)

    def plot(self, ax: Axes | None = None, *, language: str | None = None, **line: Any) -> Self:
        """Plot on some axes, or on those of a new figure.

        The language of the labels is "en" or "pt-BR"; None is that of the locale. Other arguments are those of
        Matplotlib's `plot`, such as `markersize`, for the points. Raises `UsageError` for another language or setting.
        """
        check_choice("setting", self.setting, tuple(self.tuning.space))
        words = words_in(language)
        self.ax_, self.figure_ = axes_or_new(ax)
        self.lines_ = {}
        self._label(words)
        low, high = self._limits()
        self.ax_.set_ylim(low, high)
        kinds = self._kinds()
        for kind, marker in zip(("default", "found", "other", "unmeasured"), "sDox", strict=True):
            own = [(self._place(one), one.r_at_1) for one in self.tuning.trials if kinds[one.number] == kind]
            if not own:
                self.ax_.plot([], [])  # takes its color
                continue
            points = [(x, low if figure is None else figure.value) for x, figure in own]
            style = {"label": words.t(f"trial.{kind}"), "marker": marker, "linestyle": "none", "markersize": 7}
            (drawn,) = self.ax_.plot(*np.transpose(points), clip_on=False, zorder=3, **{**style, **line})
            self.lines_[kind] = drawn
            if kind in INTERVALS:
                for x, figure in own:
                    ends = _ends(figure)
                    self.ax_.plot([x] * len(ends), ends, color=drawn.get_color(), linestyle="-", linewidth=1)
        if (first := self.tuning.trials[0].r_at_1) is not None:
            self.ax_.axhline(first.value, color=faint(), linestyle=":", zorder=1)
        self.ax_.legend(loc="best", fontsize=8)
        return self

    def _kinds(self) -> dict[int, str]:
        """By the number of the trial."""
        found = {one.number: "other" if one.r_at_1 is not None else "unmeasured" for one in self.tuning.trials}
        if self.tuning.found is not None:
            found[self.tuning.found.trial] = "found"
        return {**found, 1: "default"}

    def _place(self, one: SettingsTrial) -> float:
        space = self.tuning.space[self.setting]
        number = one.settings.get(self.setting, space.default)
        if isinstance(space, Range):
            assert number is not None
            return number
        return float(space.numbers.index(number))

    def _label(self, words: Words) -> None:
        space = self.tuning.space[self.setting]
        if isinstance(space, Range):
            self.ax_.set_xscale("log" if space.is_log else "linear")
            to, back = (np.log, np.exp) if space.is_log else (np.array, np.array)
            first, last = to(space.low), to(space.high)
            margin = EDGE * (last - first)
            self.ax_.set_xlim(float(back(first - margin)), float(back(last + margin)))
            if space.is_log:
                powers = 10.0 ** np.arange(np.floor(np.log10(space.low)), np.log10(space.high) + 1)
                ticks = [one for power in powers for one in (power, 3 * power) if space.low <= one <= space.high]
                self.ax_.xaxis.set_ticks(ticks)
            self.ax_.xaxis.set_major_formatter(FuncFormatter(lambda tick, _: shown_number(float(f"{tick:.4g}"), words)))
            self.ax_.xaxis.set_minor_locator(NullLocator())
        else:
            self.ax_.set_xlim(-0.5, len(space.numbers) - 0.5)
            self.ax_.xaxis.set_ticks(range(len(space.numbers)), [shown_number(one, words) for one in space.numbers])
        self.ax_.set(xlabel=self.setting, ylabel="R@1")
        self.ax_.yaxis.set_major_formatter(percent(words))

    def _limits(self) -> tuple[float, float]:
        """Of R@1: all points and intervals that are drawn, with a margin."""
        kinds = self._kinds()
        shown = [(kinds[one.number], one.r_at_1) for one in self.tuning.trials if one.r_at_1 is not None]
        ends = [end for kind, figure in shown for end in (_ends(figure) if kind in INTERVALS else [figure.value])]
        low, high = min(ends, default=0.0), max(ends, default=1.0)
        margin = max(0.01, EDGE * (high - low))
        return low - margin, high + margin


def _ends(figure: Estimate | None) -> list[float]:
    """The ends of the interval; none without one."""
    return [end for end in (figure or ())[1:] if end is not None]


def family_title(family: str, words: Words) -> str:
    """The family in a language; an unknown one as it is."""
    return words.t(f"family.{family}") if family in FAMILIES else family


def _label_costs(ax: Axes, costs: list[float], words: Words) -> float:
    """Label both axes; returns where a cost of 0 is drawn."""
    least = min((cost for cost in costs if cost > 0), default=1.0)
    first = least / GAP if 0 in costs else least
    ax.set(xscale="log", xlim=(first / MARGIN, max([least, *costs]) * MARGIN), ylim=(-0.02, 1.02))
    low, high = ax.get_xlim()
    ticks = {tick: words.duration(tick) for tick in TICKS if max(low, least / GAP * 1.5) < tick < high}
    if 0 in costs:
        ticks = {first: "0", **ticks}
    ax.xaxis.set_ticks(list(ticks), list(ticks.values()))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.yaxis.set_major_formatter(percent(words))
    return least / GAP


def _write_numbers(ax: Axes, points: dict[int, tuple[float, float]]) -> None:
    """The number of each point, right or left of it, or lower, where no other number is; sizes are in points."""
    first, last = np.log(ax.get_xlim())
    taken: list[tuple[float, float]] = []
    for number, (cost, value) in sorted(points.items(), key=lambda item: -item[1][1]):
        x, y = SIZE[0] * (np.log(cost) - first) / (last - first), SIZE[1] * value
        offsets = [(side * 9.0, 4.0 - 9 * lower) for lower in range(len(points)) for side in (1, -1)]
        free = (
            offset
            for offset in offsets
            if all(abs(x + offset[0] - other) > 16 or abs(y + offset[1] - beside) > 8 for other, beside in taken)
        )
        offset = next(free, offsets[0])
        taken.append((x + offset[0], y + offset[1]))
        ax.annotate(
            str(number), (cost, value), offset, textcoords="offset points", ha="center", va="center", fontsize=8
        )


def _front(points: list[tuple[float, float]]) -> tuple[list[float], list[float]]:
    """The points that no other one beats in both, by rising cost."""
    best: list[tuple[float, float]] = []
    for cost, value in sorted(points, key=lambda point: (point[0], -point[1])):
        if not best or value > best[-1][1]:
            best.append((cost, value))
    return [cost for cost, _ in best], [value for _, value in best]
