"""Which methods are measured, and on what, within a budget: successive halving (Jamieson and Talwalkar, 2016)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from semelha.comparison.figures import selection_values
from semelha.comparison.measure import Measurement, kept, measure
from semelha.comparison.methods import CLOSED_FORM, DISTANCES, NETWORKS, SLOW, WITHOUT_LABELS, Method
from semelha.comparison.result import Round, State
from semelha.comparison.study import FOLDS, Rows, Study
from semelha.errors import MissingExtra, PretrainedUnavailable, SemelhaError

SHARES = (0.25, 0.5)
"""Of the classes of a fold, and of the seconds of a training, in the rounds of networks before the last one."""
WHOLE = 0.5
"""Of the budget, at most, for reading, features, and all methods but networks, if there are networks too."""
WEIGHTS = {WITHOUT_LABELS: 0.25, NETWORKS: 0.75}
"""Of the time that is left to networks."""
FINISHING = 0.04
"""Of the budget, for intervals and tests."""
OVERHEAD = 8.0
"""Seconds of a network's training without its steps, until one was measured."""
MIN_STEPS = 4.0
"""Seconds of steps, at least."""
LONGER = 2.0
"""How many times as long as a trial the training of the best network takes, at least."""
TOLERANCE = 0.9
"""Of the seconds that a method needs in the folds that are left, once it was measured in one of them."""

Callback = Callable[[str, float], None]


@dataclass(frozen=True)
class Outcome:
    """Why a method was not measured on all test folds."""

    state: State
    reason: str
    round: int | None = None


@dataclass(eq=False)
class Schedule:
    """Measures methods, and keeps what was found. `budget` is in seconds; None: all methods, on everything.

    `minutes` are those of a network's training without a budget. `callback` is called with what begins, and the seconds
    that were spent. Decisions depend on the seconds in the files, so that a comparison that goes on decides the same.
    """

    study: Study
    methods: Sequence[Method]
    shown: Rows
    budget: float | None
    minutes: float
    fpir: float
    callback: Callback
    found: dict[str, list[Measurement]] = field(default_factory=dict)
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    rounds: list[Round] = field(default_factory=list)

    def left(self) -> float:
        """Seconds of the budget that are left."""
        return math.inf if self.budget is None else (1 - FINISHING) * self.budget - self.study.spent

    def measure_others(self) -> None:
        """All methods but networks, with all classes, in their part of the budget: what learns nothing first.

        Of the learned distances those that are fast, and then those on the better features, come first.
        """
        end = seconds_without_networks(self.budget, self.methods)
        until = (self.study.spent + end) / 2  # of the first fold
        others = [one for one in self.methods if not one.is_network]
        alive = self._round([one for one in others if one.family != DISTANCES], 1, 1.0, until)
        rates = {one.base.name: self._selected(one) for one in alive if one.base is not None}

        def place(one: Method) -> tuple[bool, bool, float]:
            return one.key not in CLOSED_FORM, one.key in SLOW, -rates.get(one.base.name, 0.0) if one.base else 0.0

        alive += self._round(sorted((one for one in others if one.family == DISTANCES), key=place), 1, 1.0, until)
        self._all_folds(sorted(alive, key=self._selected, reverse=True), 1, end)
        self._record(1, 1.0, others)

    def measure_networks(self) -> None:
        """Each family in its part of the time that is left: without labels first."""
        families = [family for family in WEIGHTS if any(one.family == family for one in self.methods)]
        for number, family in enumerate(families):
            part = WEIGHTS[family] / sum(WEIGHTS[each] for each in families[number:])
            pool = [one for one in self.methods if one.family == family]
            if self.budget is None:
                self._all_folds(self._round(pool, 1, 1.0, math.inf, 60 * self.minutes), 1, math.inf, 60 * self.minutes)
                self._record(1, 1.0, pool)
            else:
                self._halve_networks(pool, self.study.spent + part * self.left())

    def _halve_networks(self, pool: list[Method], end: float) -> None:
        """Rounds whose trainings are as long as the time allows; if it is short, the best of the first one is left."""
        pool, full, shares = self._affordable(pool, end - self.study.spent)
        number = 0
        for share in shares:
            number, entered = number + 1, pool
            pool = self._round(pool, number, share, end, self._steps(share * full, share))
            do_all_fit = FOLDS * len(pool) * full <= end - self.study.spent
            if not do_all_fit:
                pool = self._better(pool, 1 if len(shares) == 1 else math.ceil(len(pool) / 2), number)
            self._record(number, share, entered)
            if do_all_fit:
                break
        self._all_folds(pool, number + 1, end, full)
        self._record(number + 1, 1.0, pool)

    def _affordable(self, pool: list[Method], seconds: float) -> tuple[list[Method], float, Sequence[float]]:
        """As many networks as can be tried in so many seconds, the seconds of one that learns from all, and the rounds.

        If the better halves of all do not fit, only the best one of the first round goes on.
        """
        least, whole = self._least(SHARES[0]), seconds / _trainings(len(pool))
        if SHARES[0] * whole >= least:
            return pool, whole, SHARES
        number = max(0, min(len(pool), int(seconds / least - FOLDS * LONGER)))
        for method in pool[number:]:
            reason = f"the {max(seconds, 0):.0f} s that the budget leaves to the family {method.family} are too few: "
            self._cut(method, f"{reason}one of them takes {least:.0f} s at least, in each round", 1)
        return pool[:number], (seconds - number * least) / FOLDS, SHARES[:1]

    def _round(self, pool: list[Method], number: int, share: float, until: float, steps: float = 0.0) -> list[Method]:
        """Measure those for which there is time in the first fold, networks with so many seconds of steps.

        Returns those that were measured, the best first.
        """
        alive = []
        for method in pool:
            needed = self._overhead(share) + steps if method.is_network else 0.0
            reserved = FOLDS * self._least(1.0) if method.is_network and share < 1 else 0.0  # for the best in all folds
            if self.study.spent + needed + reserved > until:
                takes = f"for the {needed:.0f} s that it takes" if needed else "to try it"
                self._cut(method, f"no time was left {takes}", number)
            elif self._measured(method, 0, share, steps) is not None:
                alive.append(method)
        return sorted(alive, key=self._selected, reverse=True)

    def _better(self, pool: list[Method], kept_number: int, number: int) -> list[Method]:
        """The first so many methods; the others are cut."""
        for method in pool[kept_number:]:
            rate, needed = self._selected(method), self._selected(pool[kept_number - 1])
            kept = f"the best had {needed:.3f}" if kept_number == 1 else f"the better half had {needed:.3f} or more"
            self._cut(method, f"R@1 {rate:.3f} on the selection classes, where {kept}", number)
        return pool[:kept_number]

    def _all_folds(self, pool: list[Method], number: int, end: float, full: float = 0.0) -> None:
        """Measure the folds that are left of each method, the best first, if all of them fit.

        Networks share the time that is left, with at most `full` seconds for each training.
        """
        for place, method in enumerate(pool):
            for fold in range(FOLDS):
                if any(one.fold == fold and one.share >= 1 for one in self.found[method.name]):
                    continue
                trainings = FOLDS * (len(pool) - place) - fold  # that are left
                steps = self._steps(min(full, (end - self.study.spent) / trainings), 1.0)
                needed = self._least(1.0) if method.is_network else self.found[method.name][-1].seconds
                needed *= (FOLDS - fold) * (TOLERANCE if fold else 1.0)
                if self.study.spent + needed > end:
                    self._cut(method, f"no time was left for the test folds, which take {needed:.0f} s", number)
                    break
                if self._measured(method, fold, 1.0, steps) is None:
                    break

    def _record(self, number: int, share: float, entered: Sequence[Method]) -> None:
        """Note a round that has ended."""
        cut = {name for name, outcome in self.outcomes.items() if outcome.state == "cut"}
        names = [one.name for one in entered]
        if names:
            self.rounds.append(Round(number, share, tuple(names), tuple(name for name in names if name in cut)))

    def _steps(self, seconds: float, share: float) -> float:
        """Seconds for the steps of a network that may take so many in all, and learns from a share of the classes."""
        return seconds if self.budget is None else max(MIN_STEPS, seconds - self._overhead(share))

    def _least(self, share: float) -> float:
        """Seconds that a network takes at least, with a budget."""
        return 0.0 if self.budget is None else self._overhead(share) + MIN_STEPS

    def _overhead(self, share: float) -> float:
        """Seconds of a network's training without its steps: reading, readout and embedding; partly by the pictures."""
        over = [
            (one.seconds - one.allowed) * max(1.0, (1 + share) / (1 + one.share))
            for method in self.methods
            if method.is_network
            for one in self.found.get(method.name, [])
        ]
        return max(over, default=OVERHEAD)

    def _measured(self, method: Method, fold: int, share: float, steps: float) -> Measurement | None:
        """A measurement, from its file or made now; None if it failed."""
        self.callback(f"{method.name}, fold {fold + 1}" if share >= 1 else f"{method.name}, a trial", self.study.spent)
        name = f"{list(self.methods).index(method):02}-{fold}-{share:g}.json"
        steps = steps if method.is_network else 0.0
        try:
            found = kept(
                self.study.folder / "measurements" / name,
                lambda: measure(method, self.study, fold, share, seconds=steps, fpir=self.fpir, shown=self.shown),
            )
        except (MissingExtra, PretrainedUnavailable) as error:
            self.outcomes[method.name] = Outcome("not installed", str(error))
            return None
        if found.method != method.name:
            raise SemelhaError(f"{self.study.folder} has measurements of other methods: choose another folder")
        self.study.spent += found.seconds
        if found.error is not None:
            self.outcomes[method.name] = Outcome("failed", found.error)
            return None
        self.found.setdefault(method.name, []).append(found)
        return found

    def _selected(self, method: Method) -> float:
        """R@1 on the selection classes, of the last measurement."""
        answers = self.found[method.name][-1].selection
        assert answers is not None
        return float(selection_values(self.study, [answers])[0].mean())

    def _cut(self, method: Method, reason: str, number: int) -> None:
        self.outcomes[method.name] = Outcome("cut", reason, number)


def seconds_without_networks(budget: float | None, methods: Sequence[Method]) -> float:
    """Seconds of a budget for reading, features, and the methods that are no networks."""
    if budget is None:
        return math.inf
    return (1 - FINISHING) * budget * (WHOLE if any(one.is_network for one in methods) else 1.0)


def _trainings(number: int) -> float:
    """How many whole trainings the rounds and the test folds take, of so many methods."""
    first, second, third = number, math.ceil(number / 2), math.ceil(math.ceil(number / 2) / 2)
    return SHARES[0] * first + SHARES[1] * second + FOLDS * third
