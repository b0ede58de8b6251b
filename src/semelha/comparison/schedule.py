"""Which methods are measured, and on what, within a budget: successive halving (Jamieson and Talwalkar, 2016)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from semelha.comparison.figures import selection_values
from semelha.comparison.measure import Measurement, kept, measure
from semelha.comparison.methods import DISTANCES, HALVED, NETWORKS, WITHOUT_LABELS, Method
from semelha.comparison.result import Round, State
from semelha.comparison.study import FOLDS, Rows, Study
from semelha.errors import MissingExtra, PretrainedUnavailable, SemelhaError

SHARES = (0.25, 0.5, 1.0)
"""Of the classes of a fold, and of the seconds of a network, in the rounds."""
WEIGHTS = {DISTANCES: 0.35, WITHOUT_LABELS: 0.15, NETWORKS: 0.5}
"""Of the time that is left after the others."""
FINISHING = 0.04
"""Of the budget, for intervals and tests."""
OVERHEAD = 8.0
"""Seconds of a network's training without its steps, until one was measured."""
MIN_STEPS = 4.0
"""Seconds of steps, at least."""

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

    def measure_whole(self) -> None:
        """What learns nothing or in closed form, in all folds."""
        for method in self.methods:
            if not method.is_halved:
                self._all_folds(method, math.inf, 0)

    def halve_families(self) -> None:
        """The others, one family after the other, each in its part of the time that is left."""
        halved = [one for one in self.methods if one.is_halved]
        families = [family for family in HALVED if any(one.family == family for one in halved)]
        for number, family in enumerate(families):
            part = WEIGHTS[family] / sum(WEIGHTS[each] for each in families[number:])
            pool = [one for one in halved if one.family == family]
            self._halve(pool, self.study.spent + part * self.left() if self.budget else math.inf)

    def _halve(self, pool: list[Method], end: float) -> None:
        is_network = pool[0].family != DISTANCES
        full = 60 * self.minutes if math.isinf(end) else math.inf
        shares = list(SHARES) if math.isfinite(end) else [1.0]
        if is_network and math.isfinite(end):
            pool, full, shares = self._affordable(pool, end - self.study.spent)

        def projected(method: Method, share: float) -> float:
            if is_network:
                return share * full if math.isfinite(end) else 0.0
            trials = self.found.get(method.name, [])
            return trials[-1].seconds * share / trials[-1].share if trials else 0.0

        alive, number = pool, 0
        while alive and shares:
            share, number, entered = shares.pop(0), number + 1, alive
            alive = []
            for method in entered:
                if self.study.spent + projected(method, share) > end:
                    self._cut(
                        method, f"no time was left for the {projected(method, share):.0f} s that it takes", number
                    )
                elif self._measured(method, 0, share, self._steps(share * full, share)) is not None:
                    alive.append(method)
            alive.sort(key=self._selected, reverse=True)
            if shares and sum(FOLDS * projected(one, 1.0) for one in alive) <= end - self.study.spent:
                shares = [1.0]
            elif shares:
                kept_number = 1 if (share, shares) == (SHARES[0], [1.0]) else math.ceil(len(alive) / 2)
                for method in alive[kept_number:]:
                    rate, needed = self._selected(method), self._selected(alive[kept_number - 1])
                    reason = f"R@1 {rate:.3f} on the selection classes, where the better half had {needed:.3f} or more"
                    self._cut(method, reason, number)
                alive = alive[:kept_number]
            cut = tuple(one.name for one in entered if one not in alive and one.name in self.outcomes)
            self.rounds.append(Round(number, share, tuple(one.name for one in entered), cut))
        for place, method in enumerate(alive):
            if is_network and math.isfinite(end):  # what is left, shared by the trainings that are left
                full = min(full, (end - self.study.spent) / ((FOLDS - 1) * (len(alive) - place)))
            self._all_folds(method, end, number, self._steps(full, 1.0), full if is_network else None)

    def _affordable(self, pool: list[Method], seconds: float) -> tuple[list[Method], float, list[float]]:
        """As many networks as can be tried in so many seconds, the seconds of one that learns from all, and the rounds.

        If the better halves of all do not fit, only the best one of the first round goes on.
        """
        least, shares = self._overhead(SHARES[0]) + MIN_STEPS, list(SHARES)
        number, whole = len(pool), seconds / _trainings(len(pool))
        if SHARES[0] * whole < least:
            shares = [SHARES[0], 1.0]
            while number and SHARES[0] * (whole := seconds / (SHARES[0] * number + FOLDS)) < least:
                number -= 1
        for method in pool[number:]:
            reason = f"the {max(seconds, 0):.0f} s that the budget leaves to the family {method.family} are too few: "
            self._cut(method, f"{reason}one of them takes {least:.0f} s at least, in each round", 1)
        return pool[:number], whole if number else math.inf, shares

    def _steps(self, seconds: float, share: float) -> float:
        """Seconds for the steps of a network that may take so many in all, and learns from a share of the classes."""
        if self.budget is None or math.isinf(seconds):
            return seconds
        return max(MIN_STEPS, seconds - self._overhead(share))

    def _overhead(self, share: float) -> float:
        """Seconds of a network's training without its steps: reading, readout and embedding; partly by the pictures."""
        over = [
            (one.seconds - one.allowed) * max(1.0, (1 + share) / (1 + one.share))
            for method in self.methods
            if method.family in (NETWORKS, WITHOUT_LABELS)
            for one in self.found.get(method.name, [])
        ]
        return max(over, default=OVERHEAD)

    def _all_folds(
        self, method: Method, end: float, number: int, steps: float = 0.0, each: float | None = None
    ) -> None:
        """Measure the test folds that were not measured yet, if all of them fit; one takes `each` seconds, if known."""
        for fold in range(FOLDS):
            done = self.found.get(method.name, [])
            if any(one.fold == fold and one.share >= 1 for one in done):
                continue
            needed = (FOLDS - fold) * (done[-1].seconds if each is None else each) if done else 0.0
            if each is not None and math.isfinite(each):
                needed = 0.95 * needed  # what is left was divided by the trainings
            if self.study.spent + needed > end or needed > max(self.left(), 0):
                reason = f"no time was left for the other test folds, which take {needed:.0f} s"
                self._cut(method, reason, number or None)
                return
            if self._measured(method, fold, 1.0, steps) is None:
                return

    def _measured(self, method: Method, fold: int, share: float, steps: float) -> Measurement | None:
        """A measurement, from its file or made now; None if it failed."""
        self.callback(f"{method.name}, fold {fold + 1}" if share >= 1 else f"{method.name}, a trial", self.study.spent)
        name = f"{list(self.methods).index(method):02}-{fold}-{share:g}.json"
        steps = 0.0 if method.family not in (NETWORKS, WITHOUT_LABELS) else steps
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

    def _cut(self, method: Method, reason: str, number: int | None) -> None:
        self.outcomes[method.name] = Outcome("cut", reason, number)


def _trainings(number: int) -> float:
    """How many whole trainings the rounds and the test folds take, of so many methods."""
    first, second, third = number, math.ceil(number / 2), math.ceil(math.ceil(number / 2) / 2)
    return SHARES[0] * first + SHARES[1] * second + FOLDS * third
