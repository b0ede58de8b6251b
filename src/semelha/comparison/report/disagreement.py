"""Where compared methods disagree: queries that one gets right and the other wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from semelha.comparison.result import Comparison, MethodResult


@dataclass(frozen=True, eq=False)
class Disagreement:
    """Two methods, the better one first, and the queries that only one of them gets right."""

    first: MethodResult
    second: MethodResult
    only_first: tuple[int, ...]  # numbers of `Comparison.queries`
    only_second: tuple[int, ...]

    @property
    def count(self) -> int:
        """Queries on which they disagree."""
        return len(self.only_first) + len(self.only_second)


def right_answers(comparison: Comparison, methods: Sequence[MethodResult]) -> NDArray[np.bool_]:
    """Whether each method gets each query right: (methods, queries)."""
    queries = range(len(comparison.queries))
    return np.array([[comparison.is_right(one, query) for query in queries] for one in methods], bool).reshape(
        len(methods), len(comparison.queries)
    )


def disagreements(comparison: Comparison) -> list[Disagreement]:
    """All pairs of measured methods that disagree on a query, those that disagree most first."""
    methods = [one for one in comparison.methods if one.nearest]
    right = right_answers(comparison, methods)
    found = []
    for a, b in combinations(range(len(methods)), 2):
        first, second = np.flatnonzero(right[a] & ~right[b]), np.flatnonzero(right[b] & ~right[a])
        if len(first) or len(second):
            found.append(Disagreement(methods[a], methods[b], tuple(first.tolist()), tuple(second.tolist())))
    return sorted(found, key=lambda one: -one.count)
