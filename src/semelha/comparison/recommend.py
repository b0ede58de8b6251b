"""The recommendation: by the selection classes alone, the cheapest method that is not worse than the best."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from semelha.comparison.figures import Names, Values, paired_difference
from semelha.comparison.methods import FEATURES, HISTOGRAMS, MODELS, Method
from semelha.comparison.result import MethodResult, Recommendation

MAX_LOSS = 0.01
"""R@1 on the selection classes by which what is recommended may be below the best."""


@dataclass(frozen=True, eq=False)
class Candidate:
    """A measured method, and its hits on the selection classes: (n,)."""

    method: Method
    result: MethodResult
    hits: Values


def recommend(candidates: Sequence[Candidate], labels: Names, photos: str, *, seed: int) -> Recommendation | None:
    """The cheapest whose R@1 is at most `MAX_LOSS` below the best, and not below it beyond doubt; None without any.

    Cheaper is first what learns nothing, then what embeds a picture faster, then what learns faster.
    """
    if not candidates:
        return None
    best = max(candidates, key=lambda one: float(one.hits.mean()))

    def is_enough(one: Candidate) -> bool:
        lost = paired_difference(one.hits, best.hits, labels, seed=seed)
        return lost.value >= -MAX_LOSS and (lost.high is None or lost.high >= 0)

    def cost(one: Candidate) -> tuple[float, ...]:
        is_learned = one.method.family not in (FEATURES, HISTOGRAMS, MODELS)
        milliseconds, seconds = one.result.milliseconds or 0.0, one.result.seconds or 0.0
        return (float(round(math.log2(max(milliseconds, 0.1)))), float(is_learned), seconds)

    chosen = min(filter(is_enough, candidates), key=cost)
    command = chosen.method.command(photos)
    assert command is not None
    return Recommendation(chosen.method.name, command, chosen.method.step)
