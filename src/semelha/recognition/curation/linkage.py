"""Average-linkage clustering (UPGMA) from the nearest neighbors, without all distances, and its threshold.

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
GROUP, REPEATS, SUBJECTS = 4, 4, 400  # to learn a threshold: largest group, draws of groups, subjects at most


@dataclass(frozen=True, eq=False)
class Merges:
    """The merges of a clustering, in an order in which a group is made before it is merged.

    Group i < `rows` is row i; group `rows` + j is the result of merge j. `pairs` (merges, 2) are the groups that were
    merged, `heights` (merges,) their mean distances.
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

    The neighbors (n, k) of the vectors (n, d) are rows, nearest first, −1 for none; a row itself is ignored. If the
    metric is not symmetric, the mean of both directions counts.
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
    """The state of the clustering."""

    def __init__(self, vectors: NDArray[np.floating], metric: Metric, threshold: float, reach: list[float]) -> None:
        self.vectors = vectors
        self.metric = metric
        self.threshold = threshold
        self.reach = reach  # of each group, current or merged: rows not among the neighbors are at least this far
        # Of each current group: its rows, and its mean distance to near groups, or a lower bound of it.
        self.members = {row: [row] for row in range(len(vectors))}
        self.near: dict[int, dict[int, float]] = {row: {} for row in range(len(vectors))}
        self.bounds: set[tuple[int, int]] = set()  # pairs of groups, the lower first, of which `near` has a bound

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


def linkage_threshold(
    vectors: NDArray[np.float32], subjects: NDArray[np.int64], metric: Metric, others: float, *, seed: int
) -> float | None:
    """Find the mean distance that best separates groups of one subject from groups of two.

    Small groups are drawn at random from the subjects, two from each that has enough examples. A threshold t merges a
    fraction S(t) of the pairs of groups of one subject, and a fraction D(t) of the pairs of two subjects. If each group
    meets one group of its own subject and `others` groups of other subjects, F₁ = 2 S / (1 + S + others · D); the
    result maximizes it: the more other subjects, the smaller is the threshold.

    Returns None if no subject has two examples, if there is one subject, or if groups of one subject are no nearer to
    each other than groups of two. `subjects` (n,) numbers the subject of each vector (n, d).
    """
    random = np.random.default_rng(seed)
    order = np.argsort(subjects, kind="stable")
    rows_of = np.split(order, np.flatnonzero(np.diff(subjects[order])) + 1)
    rows_of = [rows_of[place] for place in random.permutation(len(rows_of))[:SUBJECTS].tolist()]
    same, different = [], []
    for _ in range(REPEATS):
        firsts, seconds = zip(*(_two_groups(random.permutation(rows)) for rows in rows_of), strict=True)
        table = _means(vectors, firsts, firsts, metric)
        different.append(table[np.triu_indices(len(firsts), 1)])
        pairs = [(a, b) for a, b in zip(firsts, seconds, strict=True) if len(b)]
        same += [float(_means(vectors, [a], [b], metric)[0, 0]) for a, b in pairs]
    return _maximize_f1(np.sort(same), np.sort(np.concatenate(different)), others)


def _two_groups(rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Two groups of the same size; of a single row, one group and an empty one."""
    size = min(GROUP, max(1, len(rows) // 2))
    return rows[:size], rows[size : 2 * size]


def _means(
    vectors: NDArray[np.float32],
    groups: list[NDArray[np.int64]] | tuple[NDArray[np.int64], ...],
    others: list[NDArray[np.int64]] | tuple[NDArray[np.int64], ...],
    metric: Metric,
) -> NDArray[np.float64]:
    """Mean distance between groups, over both directions: (groups, others)."""
    q, s = (vectors[np.concatenate(each)].astype(np.float64) for each in (groups, others))
    table = metric.pairwise(q, s, check=False)
    if not metric.is_symmetric:
        table = (table + metric.pairwise(s, q, check=False).T) / 2
    for axis, each in enumerate((groups, others)):
        sizes = np.array([len(group) for group in each])
        starts = np.cumsum(sizes) - sizes
        table = np.add.reduceat(table, starts, axis=axis) / (sizes[:, None] if axis == 0 else sizes)
    return np.asarray(table)


def _maximize_f1(same: NDArray[np.float64], different: NDArray[np.float64], others: float) -> float | None:
    if not len(same) or not len(different):
        return None
    levels = np.unique(np.concatenate([same, different]))
    of_same = np.searchsorted(same, levels, side="right") / len(same)
    of_different = np.searchsorted(different, levels, side="right") / len(different)
    if not (of_same > of_different).any():
        return None
    best = int((2 * of_same / (1 + of_same + others * of_different)).argmax())
    return float(levels[best : best + 2].mean())
