"""Learn the distance up to which clusters are merged, from enrolled subjects."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from semelha.metrics import Metric

GROUP = 4  # examples in a group at most
REPEATS = 4  # draws of groups
SUBJECTS = 400  # from which groups are drawn


def linkage_threshold(
    vectors: NDArray[np.float32], subjects: NDArray[np.int64], metric: Metric, others: float, *, seed: int
) -> float | None:
    """Find the mean distance that best separates groups of one subject from groups of two.

    Small groups are drawn at random from the subjects, two from each that has enough examples. A threshold t merges a
    fraction S(t) of the pairs of groups of one subject, and a fraction D(t) of the pairs of two subjects. If each group
    meets one group of its own subject and `others` groups of other subjects, F₁ = 2 S / (1 + S + others · D); the
    result maximizes it. The more other subjects there are, the smaller is the threshold.

    Parameters
    ----------
    vectors : (n, d) float32
    subjects : (n,) int64
        Number of the subject of each vector.
    metric : Metric
    others : float
        Number of other subjects that a group is compared with.
    seed : int
        Of the random draws.

    Returns
    -------
    float or None
        None if no subject has two examples, if there is one subject, or if groups of one subject are no nearer to
        each other than groups of two.
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
    means: NDArray[np.float64] = table
    return means


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
