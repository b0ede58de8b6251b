"""Average linkage of many rows: agglomerative, with exact means, over the pairs that neighbors suggest.

Groups are merged as long as the mean distance of their pairs is at most a threshold (UPGMA; Sokal & Michener 1958). A
mean of at most the threshold has a pair at most the threshold, so only groups with such a pair among the neighbors are
looked at. Where every such pair is among the neighbors this is average linkage itself, without a matrix of all pairs.

Groups that are each other's nearest are merged in any order: average linkage is reducible, so what is merged elsewhere
comes no nearer to them (Murtagh 1983, the chain of nearest neighbors). A pair that is not among the neighbors is
farther than those that are, which bounds a mean from below; the mean itself is worked out where its bound is nearest.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from semelha.metrics import Metric

STAND_IN = 64  # members of a larger group that stand for all in a mean


@dataclass(frozen=True, eq=False)
class Merges:
    """Which groups became one, each after those that it is made of.

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
        Rows near each row, nearest first; −1 for none. Itself is passed over.
    distances : (n, k) float64
        To those.
    metric : Metric
        Of one that is not symmetric the mean of both directions counts.
    threshold : float
    """
    last = distances[:, -1] if distances.shape[1] else np.full(len(distances), np.inf)
    work = _Work(vectors, metric, threshold, np.minimum(last, threshold).tolist())
    for a, b, distance in _pairs(neighbors, distances, threshold):
        if not metric.is_symmetric:
            work.bounds.add((a, b))
            distance /= 2  # the other way may be 0
        work.near[a][b] = work.near[b][a] = distance
    with threadpool_limits(1, user_api="blas"):  # its products are so small that a second thread only costs
        return work.run()


def _pairs(
    neighbors: NDArray[np.int64], distances: NDArray[np.float64], threshold: float
) -> list[tuple[int, int, float]]:
    """Each pair of different rows at most the threshold apart, once, the lower first; of two distances the smaller."""
    rows, places = np.nonzero((neighbors >= 0) & (distances <= threshold))
    others = neighbors[rows, places]
    low, high, found = np.minimum(rows, others), np.maximum(rows, others), distances[rows, places]
    order = np.lexsort((found, high, low))
    low, high, found = low[order], high[order], found[order]
    once = low != high
    once[1:] &= (low[1:] != low[:-1]) | (high[1:] != high[:-1])
    return list(zip(low[once].tolist(), high[once].tolist(), found[once].tolist(), strict=True))


class _Work:
    """Groups at work.

    Attributes
    ----------
    members : dict of list of int
        Rows of each group there is.
    near : dict of dict of float
        Mean distance of each to others, or what it is not below.
    bounds : set of (int, int)
        Pairs of groups, the lower first, of which `near` has a bound.
    reach : list of float
        Of each group that ever was: rows that are not listed beside its own are no nearer.
    """

    def __init__(self, vectors: NDArray[np.floating], metric: Metric, threshold: float, reach: list[float]) -> None:
        self.vectors = vectors
        self.metric = metric
        self.threshold = threshold
        self.reach = reach
        self.near: dict[int, dict[int, float]] = {row: {} for row in range(len(vectors))}
        self.members = {row: [row] for row in range(len(vectors))}
        self.bounds: set[tuple[int, int]] = set()

    def run(self) -> Merges:
        """Merge groups each of which is the other's nearest, found by going from group to nearest group."""
        rows = len(self.members)
        pairs: list[tuple[int, int]] = []
        heights: list[float] = []
        start = 0
        while start < rows + len(pairs):  # every group there is, those that are made meanwhile too
            chain = [start] if start in self.near else []
            start += 1
            while chain:
                top = chain[-1]
                before = chain[-2] if len(chain) > 1 else -1
                nearest, height = self.nearest(top, before)
                if nearest < 0 or height > self.threshold:  # nor will it be nearer to what others become
                    break
                if nearest != before:
                    chain.append(nearest)
                    continue
                del chain[-2:]
                a, b = sorted((top, before))
                new = rows + len(pairs)
                self.merged(a, b, new)
                pairs.append((a, b))
                heights.append(height)
                if not chain:
                    chain.append(new)
        return Merges(rows, np.array(pairs, np.int64).reshape(-1, 2), np.array(heights))

    def nearest(self, group: int, before: int) -> tuple[int, float]:
        """The nearest group and its mean distance; of equals that before it in the chain, then the first."""
        known = self.near[group]
        bounded = [other for other in known if (min(group, other), max(group, other)) in self.bounds]
        if bounded:
            unsure = set(bounded)
            sure = min((mean for other, mean in known.items() if other not in unsure), default=np.inf)
            self.measure(group, [other for other in bounded if known[other] <= min(sure, self.threshold)])
        if not known:
            return -1, np.inf
        height = min(known.values())
        equals = [other for other, mean in known.items() if mean == height]
        return (before if before in equals else min(equals)), height

    def merged(self, a: int, b: int, new: int) -> None:
        """Make one group of two, with its mean distances, or bounds, to what either was near."""
        near_a, near_b = self.near.pop(a), self.near.pop(b)
        del near_a[b], near_b[a]
        of_a, of_b = len(self.members[a]), len(self.members[b])
        known = {}
        for other in near_a.keys() | near_b.keys():
            of_other = self.near[other]
            exact = True
            for group, near in ((a, near_a), (b, near_b)):
                if of_other.pop(group, None) is None:
                    near[other] = min(self.reach[group], self.reach[other])
                    exact = False
                elif (pair := (min(group, other), max(group, other))) in self.bounds:
                    self.bounds.remove(pair)
                    exact = False
            mean = (of_a * near_a[other] + of_b * near_b[other]) / (of_a + of_b)
            known[other] = of_other[new] = mean
            if not exact:
                self.bounds.add((other, new))
        self.near[new] = known
        self.members[new] = self.members.pop(a) + self.members.pop(b)
        self.reach.append(min(self.reach[a], self.reach[b]))

    def measure(self, group: int, others: list[int]) -> None:
        """Put the mean distance from a group to each of others, over all pairs, in the place of its bound."""
        if not others:
            return
        rows = [_spread(self.members[other]) for other in others]
        counts = np.array([len(each) for each in rows])
        q = self.vectors[_spread(self.members[group])].astype(np.float64)
        s = self.vectors[[row for each in rows for row in each]].astype(np.float64)
        means = self.metric.pairwise(q, s, check=False).mean(axis=0)
        if not self.metric.is_symmetric:
            means = (means + self.metric.pairwise(s, q, check=False).mean(axis=1)) / 2
        starts = np.cumsum(counts) - counts
        for other, mean in zip(others, (np.add.reduceat(means, starts) / counts).tolist(), strict=True):
            self.near[group][other] = self.near[other][group] = mean
            self.bounds.remove((min(group, other), max(group, other)))


def _spread(members: list[int]) -> list[int]:
    """Of many members some, evenly."""
    if len(members) <= STAND_IN:
        return members
    return [members[place] for place in np.linspace(0, len(members) - 1, STAND_IN).astype(int).tolist()]
