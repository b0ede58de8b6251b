"""Average-linkage clustering (UPGMA) from the nearest neighbors, without a matrix of all distances.

Groups are merged while the mean distance of their pairs is at most a threshold (Sokal & Michener, 1958). Such groups
have at least one pair within the threshold, so only groups with such a pair among the neighbors are compared. The
result is exact if all those pairs are among the neighbors.

Groups that are each other's nearest may be merged in any order: average linkage is reducible, so a merge elsewhere
brings no group nearer to them (Murtagh, 1983: the nearest-neighbor chain). A pair that is not among the neighbors is at
least as far as the last of them, which bounds a mean from below; means are computed only where the bound is smallest.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from semelha.metrics import Metric

SAMPLE = 64  # members of a larger group from which a mean is computed


@dataclass(frozen=True, eq=False)
class Merges:
    """The merges of a clustering, in an order in which a group is made before it is merged.

    Attributes
    ----------
    rows : int
        Number of rows. Group i < rows is row i; group rows + j is the result of merge j.
    pairs : (merges, 2) int64
    heights : (merges,) float64
        Mean distance of the two groups when they were merged.
    """

    rows: int
    pairs: NDArray[np.int64]
    heights: NDArray[np.float64]

    def labels(self, threshold: float = np.inf) -> NDArray[np.int64]:
        """Cluster of each row, numbered from 0 in order of the rows, from merges up to a height: (rows,)."""
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
    """Cluster rows by average linkage, up to a mean distance.

    Parameters
    ----------
    vectors : (n, d) float
    neighbors : (n, k) int64
        Rows near each row, nearest first; −1 for none. The row itself is ignored.
    distances : (n, k) float64
        Their distances.
    metric : Metric
        If it is not symmetric, the mean of both directions counts.
    threshold : float
    """
    last = distances[:, -1] if distances.shape[1] else np.full(len(distances), np.inf)
    state = _Clustering(vectors, metric, threshold, np.minimum(last, threshold).tolist())
    for a, b, distance in _pairs(neighbors, distances, threshold):
        if not metric.is_symmetric:
            state.bounds.add((a, b))
            distance /= 2  # the other way may be 0
        state.near[a][b] = state.near[b][a] = distance
    with threadpool_limits(1, user_api="blas"):  # its products are so small that a second thread only costs
        return state.run()


def _pairs(
    neighbors: NDArray[np.int64], distances: NDArray[np.float64], threshold: float
) -> list[tuple[int, int, float]]:
    """Pairs of different rows within the threshold, each once, the lower first, with the smaller of two distances."""
    rows, places = np.nonzero((neighbors >= 0) & (distances <= threshold))
    others = neighbors[rows, places]
    low, high, found = np.minimum(rows, others), np.maximum(rows, others), distances[rows, places]
    order = np.lexsort((found, high, low))
    low, high, found = low[order], high[order], found[order]
    once = low != high
    once[1:] &= (low[1:] != low[:-1]) | (high[1:] != high[:-1])
    return list(zip(low[once].tolist(), high[once].tolist(), found[once].tolist(), strict=True))


class _Clustering:
    """The state of the clustering.

    Attributes
    ----------
    members : dict of int to list of int
        Rows of each current group.
    near : dict of int to dict of int to float
        Mean distance of each group to near groups, or a lower bound of it.
    bounds : set of (int, int)
        Pairs of groups, the lower first, for which `near` holds a bound.
    reach : list of float
        For each group, current or merged: rows that are not among the neighbors are at least this far.
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
        """Merge mutual nearest groups, found by following the chain of nearest groups."""
        rows = len(self.members)
        pairs: list[tuple[int, int]] = []
        heights: list[float] = []
        start = 0
        while start < rows + len(pairs):  # including groups made during the loop
            chain = [start] if start in self.near else []
            start += 1
            while chain:
                top = chain[-1]
                before = chain[-2] if len(chain) > 1 else -1
                nearest, height = self.nearest(top, before)
                if nearest < 0 or height > self.threshold:  # later merges bring nothing nearer
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
        """The nearest group and its mean distance; of ties the previous one in the chain, then the lowest."""
        known = self.near[group]
        bounded = [other for other in known if (min(group, other), max(group, other)) in self.bounds]
        if bounded:
            bounded_set = set(bounded)
            exact = min((mean for other, mean in known.items() if other not in bounded_set), default=np.inf)
            self.measure(group, [other for other in bounded if known[other] <= min(exact, self.threshold)])
        if not known:
            return -1, np.inf
        height = min(known.values())
        equals = [other for other, mean in known.items() if mean == height]
        return (before if before in equals else min(equals)), height

    def merged(self, a: int, b: int, new: int) -> None:
        """Replace two groups by their union, with its mean distances or bounds."""
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
        """Replace the bounds between a group and others by mean distances."""
        if not others:
            return
        rows = [_sample(self.members[other]) for other in others]
        counts = np.array([len(each) for each in rows])
        q = self.vectors[_sample(self.members[group])].astype(np.float64)
        s = self.vectors[[row for each in rows for row in each]].astype(np.float64)
        means = self.metric.pairwise(q, s, check=False).mean(axis=0)
        if not self.metric.is_symmetric:
            means = (means + self.metric.pairwise(s, q, check=False).mean(axis=1)) / 2
        starts = np.cumsum(counts) - counts
        for other, mean in zip(others, (np.add.reduceat(means, starts) / counts).tolist(), strict=True):
            self.near[group][other] = self.near[other][group] = mean
            self.bounds.remove((min(group, other), max(group, other)))


def _sample(members: list[int]) -> list[int]:
    """All members, or an evenly spaced sample of many."""
    if len(members) <= SAMPLE:
        return members
    return [members[place] for place in np.linspace(0, len(members) - 1, SAMPLE).astype(int).tolist()]
