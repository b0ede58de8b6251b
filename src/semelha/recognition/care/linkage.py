"""Average linkage of many rows: agglomerative, exact in its averages, over the pairs that neighbors suggest.

Groups are merged as long as the mean distance of their pairs is at most a threshold (UPGMA; Sokal & Michener 1958). A
mean of at most the threshold has a pair at most the threshold, so only groups with such a pair among the neighbors are
looked at; their mean is then taken over all pairs, in the index or not. Where every such pair is among the neighbors
this is average linkage itself, without a matrix of all pairs.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush

import numpy as np
from numpy.typing import NDArray

from semelha.metrics import Metric

STAND_IN = 64  # members of a larger group that stand for all in a mean


@dataclass(frozen=True, eq=False)
class Merges:
    """Which groups became one, nearest first.

    Attributes
    ----------
    rows : int
        How many rows there are. Group i < rows is row i; group rows + j is what merge j made.
    pairs : (merges, 2) int64
    heights : (merges,) float64
        Mean distance of the two when they became one.
    """

    rows: int
    pairs: NDArray[np.int64]
    heights: NDArray[np.float64]

    def labels(self, threshold: float = np.inf) -> NDArray[np.int64]:
        """(rows,), the number of the group of each row where those up to a threshold are merged; from 0, by rows."""
        parent = np.arange(self.rows + len(self.pairs))
        for j in range(len(self.pairs) - 1, -1, -1):  # a group is made before it is merged: parents first
            if self.heights[j] <= threshold:
                parent[self.pairs[j]] = parent[self.rows + j]
        first: dict[int, int] = {}
        return np.array([first.setdefault(root, len(first)) for root in parent[: self.rows].tolist()], np.int64)


def average_linkage(
    vectors: NDArray[np.floating],
    neighbors: NDArray[np.int64],
    distances: NDArray[np.float64],
    metric: Metric,
    threshold: float,
) -> Merges:
    """Merge while the mean distance of two groups is at most the threshold.

    Parameters
    ----------
    vectors : (n, d) float
    neighbors : (n, k) int64
        Rows near each row; −1 for none. Itself is passed over.
    distances : (n, k) float64
        To those.
    metric : Metric
        Of one that is not symmetric the mean of both directions counts.
    threshold : float
    """
    work = _Work(vectors.astype(np.float64), metric)
    for a, b, distance in _pairs(neighbors, distances, threshold):
        work.near[a][b] = work.near[b][a] = distance
    if not metric.symmetric:
        work.measure_again()
    return work.run(threshold)


def _pairs(
    neighbors: NDArray[np.int64], distances: NDArray[np.float64], threshold: float
) -> list[tuple[int, int, float]]:
    """Each pair of different rows at most the threshold apart, once."""
    rows, places = np.nonzero((neighbors >= 0) & (distances <= threshold))
    others = neighbors[rows, places]
    low, high = np.minimum(rows, others), np.maximum(rows, others)
    _, once = np.unique(low * np.int64(len(neighbors)) + high, return_index=True)
    once = once[low[once] != high[once]]
    return list(zip(low[once].tolist(), high[once].tolist(), distances[rows, places][once].tolist(), strict=True))


@dataclass(eq=False)
class _Work:
    """Groups at work: their members, and the mean distances that are known, by group."""

    vectors: NDArray[np.float64]
    metric: Metric
    near: dict[int, dict[int, float]] = field(init=False)
    members: dict[int, list[int]] = field(init=False)

    def __post_init__(self) -> None:
        self.near = {row: {} for row in range(len(self.vectors))}
        self.members = {row: [row] for row in range(len(self.vectors))}

    def measure_again(self) -> None:
        """The distances of all pairs that are known, in both directions."""
        for a, known in self.near.items():
            later = [b for b in known if b > a]
            self._complete(known, a, later)
            for b in later:
                self.near[b][a] = known[b]

    def run(self, threshold: float) -> Merges:
        waiting = [(mean, a, b) for a, known in self.near.items() for b, mean in known.items() if a < b]
        heapify(waiting)
        pairs, heights, new = [], [], len(self.vectors)
        while waiting:
            height, a, b = heappop(waiting)
            if height > threshold:
                break
            if a not in self.near or b not in self.near:
                continue  # one of them is part of a larger group by now
            for other, mean in self.merged(a, b, new).items():
                if mean <= threshold:
                    heappush(waiting, (mean, other, new))
            pairs.append((a, b))
            heights.append(height)
            new += 1
        return Merges(len(self.vectors), np.array(pairs, np.int64).reshape(-1, 2), np.array(heights))

    def merged(self, a: int, b: int, new: int) -> dict[int, float]:
        """Make one group of two; its mean distances to what either was near."""
        near_a, near_b = self.near.pop(a), self.near.pop(b)
        del near_a[b], near_b[a]
        of_a, of_b = len(self.members[a]), len(self.members[b])
        self._complete(near_a, a, [other for other in near_b if other not in near_a])
        self._complete(near_b, b, [other for other in near_a if other not in near_b])
        known = {other: (of_a * mean + of_b * near_b[other]) / (of_a + of_b) for other, mean in near_a.items()}
        for other, mean in known.items():
            of_other = self.near[other]
            of_other.pop(a, None)
            of_other.pop(b, None)
            of_other[new] = mean
        self.near[new] = known
        self.members[new] = self.members.pop(a) + self.members.pop(b)
        return known

    def _complete(self, near: dict[int, float], group: int, missing: list[int]) -> None:
        if missing:
            near.update(zip(missing, self.means(group, missing), strict=True))

    def means(self, group: int, others: list[int]) -> list[float]:
        """The mean distance of a group to each of others, over all pairs."""
        own = self.vectors[_spread(self.members[group])]
        rows = [_spread(self.members[other]) for other in others]
        counts = [len(each) for each in rows]
        stored = self.vectors[[row for each in rows for row in each]]
        table = self.metric.pairwise(own, stored, check=False)
        if not self.metric.symmetric:
            table = (table + self.metric.pairwise(stored, own, check=False).T) / 2
        starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
        means: list[float] = (np.add.reduceat(table.mean(axis=0), starts) / counts).tolist()
        return means


def _spread(members: list[int]) -> list[int]:
    """Of many members some, evenly."""
    if len(members) <= STAND_IN:
        return members
    return [members[place] for place in np.linspace(0, len(members) - 1, STAND_IN).astype(int).tolist()]
