"""The recommendation: by the selection classes alone, the cheapest method that is not worse than the best."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from semelha.comparison.figures import Names, Values, paired_difference
from semelha.comparison.methods import Method
from semelha.comparison.result import MethodResult, Recommendation

MAX_LOSS = 0.01
"""R@1, and MAP@R, on the selection classes by which what is recommended may be below the best."""


@dataclass(frozen=True, eq=False)
class Candidate:
    """A measured method, and its hits and average precisions at R on the selection classes: (n,), (n,)."""

    method: Method
    result: MethodResult
    hits: Values
    precisions: Values


def recommend(candidates: Sequence[Candidate], labels: Names, photos: str, *, seed: int) -> Recommendation | None:
    """The cheapest of those that are as good as the best in R@1, and of these in MAP@R; None without candidates.

    As good is at most `MAX_LOSS` below it, and not below it beyond doubt.
    """
    if not candidates:
        return None

    def as_good_as_best(several: Sequence[Candidate], values: Callable[[Candidate], Values]) -> list[Candidate]:
        best = max((values(one) for one in several), key=np.mean)
        lost = [paired_difference(values(one), best, labels, seed=seed) for one in several]
        return [
            one
            for one, less in zip(several, lost, strict=True)
            if less.value >= -MAX_LOSS and (less.high is None or less.high >= 0)
        ]

    enough = as_good_as_best(candidates, lambda one: one.hits)
    enough = as_good_as_best(enough, lambda one: one.precisions)
    chosen = min(enough, key=lambda one: one.result.cost)
    command = chosen.method.command(photos)
    assert command is not None
    return Recommendation(chosen.method.name, command, chosen.method.step)
