"""Recall as a promise: how deep a search must go is found on vectors that the structure has not seen."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from math import sqrt
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from semelha.errors import UsageError
from semelha.index.card import MOST, number, whole_number
from semelha.index.flat import Flat
from semelha.index.ranking import K
from semelha.index.rows import Found, Hidden, Rows
from semelha.index.space import Queries

HELD = 1000
PART = 10  # one vector in so many is held back, where there are few
SURE = 1.64  # standard errors that a recall must lie above what is wanted: kept with a probability of .95
SAME = 1e-6  # of a distance: equal but for rounding
BLOCK = 256


@dataclass(frozen=True)
class Measured:
    """Recall@10 of a search of some depth, on queries that the structure had not seen.

    Attributes
    ----------
    depth : int
    recall : float
        Mean over the queries of the part of the ten nearest that was found.
    error : float
        Standard error of the mean.
    queries : int
    """

    depth: int
    recall: float
    error: float
    queries: int

    def keeps(self, recall: float) -> bool:
        """Surely enough."""
        return self.recall - SURE * self.error >= recall

    def may_keep(self, recall: float) -> bool:
        """Not surely too little."""
        return self.recall + SURE * self.error >= recall

    def card(self) -> dict[str, Any]:
        """What to keep of it."""
        return asdict(self)

    @classmethod
    def restored(cls, card: Mapping[str, Any], deepest: int) -> Self:
        """As `card` kept it. Raises `ValueError` or `KeyError` where that cannot be."""
        depth, queries = whole_number(card, "depth", 1, deepest), whole_number(card, "queries")
        return cls(depth, number(card, "recall", 0, 1), number(card, "error", 0, 1), queries)


def check_recall(recall: float) -> None:
    """Raises `UsageError` for what an approximate search cannot promise."""
    if not 0 < recall < 1:
        raise UsageError(f"recall is {recall}: it lies between 0 and 1; for all neighbors always, take LinearIndex")


def check_seed(seed: int) -> None:
    """Raises `UsageError` for what draws nothing."""
    if not 0 <= seed <= MOST:
        raise UsageError(f"seed is {seed}: it lies between 0 and {MOST}")


def held_back(rows: Rows, seed: int) -> tuple[Rows, int]:
    """The same rows with some, drawn by chance, at the end; and how many are before them."""
    held = min(HELD, len(rows) // PART)
    drawn = np.zeros(len(rows), bool)
    drawn[np.random.default_rng(seed).choice(len(rows), held, replace=False)] = True
    return rows.take(np.concatenate([np.flatnonzero(~drawn), np.flatnonzero(drawn)])), len(rows) - held


def distances(queries: Queries, nearest: Callable[[Queries], Found]) -> NDArray[np.float64]:
    """Distances of what a search finds (q, k), block by block."""
    starts = range(0, len(queries), BLOCK)
    return np.concatenate([nearest(queries.part(slice(start, start + BLOCK)))[1] for start in starts])


def measured(found: NDArray[np.float64], true: NDArray[np.float64], depth: int) -> Measured:
    """From the distances of what a search found and of the true neighbors, each (q, k).

    What is no farther than the k-th true neighbor counts as found: of equals any will do.
    """
    slack = SAME * np.abs(true[:, -1:]) + np.finfo(np.float64).tiny
    right = (found <= true[:, -1:] + slack).mean(axis=1)
    return Measured(depth, float(right.mean()), float(right.std()) / sqrt(len(right)), len(right))


def least_depth(measure: Callable[[int], Measured], depths: Sequence[int], recall: float) -> Measured:
    """The least of the ascending depths that keeps the recall; the last of them where none does."""
    best = measure(depths[-1])
    if not best.keeps(recall):
        return best
    low, high = 0, len(depths) - 1
    while low < high:
        middle = (low + high) // 2
        tried = measure(depths[middle])
        if tried.keeps(recall):
            best, high = tried, middle
        else:
            low = middle + 1
    return best


def ladder(least: int, most: int) -> list[int]:
    """Depths from `least` to `most`, each an eighth more than the one before."""
    steps = [least]
    while steps[-1] < most:
        steps.append(min(most, steps[-1] + max(1, steps[-1] // 8)))
    return steps


class Approximate(Protocol):
    """A structure that finds more the deeper it is searched."""

    depth: Measured

    def nearest(self, rows: Rows, queries: Queries, k: int, hidden: Hidden | None = None) -> Found: ...

    def at(self, depth: Measured) -> Self:
        """The same, searched as deep."""
        ...

    @property
    def deepest(self) -> int: ...

    def depths(self) -> list[int]:
        """Depths that are worth a try, ascending."""
        ...


def measure(
    structure: Approximate,
    rows: Rows,
    queries: Queries,
    true: NDArray[np.float64],
    depth: int,
    hidden: Hidden | None = None,
) -> Measured:
    """The recall of a structure over `rows` at a depth, from the distances of the true neighbors (q, k)."""
    deep = structure.at(Measured(depth, 0.0, 0.0, 0))
    return measured(distances(queries, lambda some: deep.nearest(rows, some, true.shape[1], hidden)), true, depth)


def tuned(
    structure: Approximate,
    rows: Rows,
    queries: Queries,
    true: NDArray[np.float64],
    recall: float,
    hidden: Hidden | None = None,
) -> Measured:
    """The least depth that keeps the recall on the queries, or the deepest there is."""
    return least_depth(lambda depth: measure(structure, rows, queries, true, depth, hidden), structure.depths(), recall)


def tuned_on_held(structure: Approximate, rows: Rows, head: int, recall: float) -> Measured:
    """The same for a structure over the first `head` of the rows: on the others, which it has not seen."""
    known, unseen = rows.take(slice(head)), rows.space.queries(rows.vectors[head:])
    exact = Flat(known)
    true = distances(unseen, lambda some: exact.nearest(known, some, K))
    return tuned(structure, known, unseen, true, recall)
