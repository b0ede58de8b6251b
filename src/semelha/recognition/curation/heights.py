"""How far apart groups of one subject are, and groups of two: from subjects that are known."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from semelha.metrics import Metric

GROUP = 4  # examples of a group, at most
REPEATS = 4  # times that groups are drawn
SUBJECTS = 400  # that are drawn from


def parting_distance(
    vectors: NDArray[np.float32], subjects: NDArray[np.int64], metric: Metric, others: float, *, seed: int
) -> float | None:
    """The mean distance up to which two groups are rather of one subject.

    Small groups are drawn from the subjects, two from each that has as many examples. Up to a distance t a part S(t) of
    the two groups of one subject are made one, and a part D(t) of the groups of two subjects. Where each group meets
    one other group of its subject and so many of other subjects, F₁ is 2 S / (1 + S + others · D), and t is where it
    is largest: the more there is to be mistaken for, the nearer two groups must be.

    Parameters
    ----------
    vectors : (n, d) float32
    subjects : (n,) int64
        Number of the subject of each.
    metric : Metric
    others : float
        How many other subjects there are to be mistaken for.
    seed : int
        Of the draws.

    Returns
    -------
    float or None
        In the middle between two distances that were found; None where no subject has two examples, there is one
        subject, or groups of one are no nearer than groups of two.
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
    return _best(np.sort(same), np.sort(np.concatenate(different)), others)


def _two_groups(rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Two groups of one size; of a single row one group, and none."""
    size = min(GROUP, max(1, len(rows) // 2))
    return rows[:size], rows[size : 2 * size]


def _means(
    vectors: NDArray[np.float32],
    groups: list[NDArray[np.int64]] | tuple[NDArray[np.int64], ...],
    others: list[NDArray[np.int64]] | tuple[NDArray[np.int64], ...],
    metric: Metric,
) -> NDArray[np.float64]:
    """The mean distance of each group to each of others, in both directions: (groups, others)."""
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


def _best(same: NDArray[np.float64], different: NDArray[np.float64], others: float) -> float | None:
    if not len(same) or not len(different):
        return None
    levels = np.unique(np.concatenate([same, different]))
    of_same = np.searchsorted(same, levels, side="right") / len(same)
    of_different = np.searchsorted(different, levels, side="right") / len(different)
    if not (of_same > of_different).any():
        return None
    best = int((2 * of_same / (1 + of_same + others * of_different)).argmax())
    return float(levels[best : best + 2].mean())
