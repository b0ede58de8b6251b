"""Up to which mean distance groups are merged: what would have been right for subjects that are known."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from semelha.recognition.care.linkage import Merges


def best_height(merges: Merges, subjects: NDArray[np.int64]) -> float | None:
    """The height up to which merges of known rows agree best with their subjects.

    Agreement is F₁ over pairs: 2 TP / (2 TP + FP + FN), where a pair of rows of one subject in one group is a true
    positive.

    Parameters
    ----------
    merges : Merges
        Of all rows, to a height well above that which is looked for.
    subjects : (rows,) int64

    Returns
    -------
    float or None
        In the middle between the last merge that is to be done and the first that is not; None where no two rows are of
        one subject, or none of these were merged.
    """
    sizes = np.bincount(subjects)
    wanted = int((sizes * (sizes - 1) // 2).sum())
    right, made = _counted(merges, subjects)
    if not wanted or not right.any():
        return None
    best = int((2 * right / (made + wanted)).argmax())
    return float(merges.heights[best : best + 2].mean())


def _counted(merges: Merges, subjects: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pairs of one subject in one group, and pairs in one group, after each merge: (merges,) twice."""
    groups: dict[int, dict[int, int]] = {row: {subject: 1} for row, subject in enumerate(subjects.tolist())}
    right, made = [], []
    for new, (a, b) in enumerate(merges.pairs.tolist(), start=merges.rows):
        of_a, of_b = groups.pop(a), groups.pop(b)
        made.append(sum(of_a.values()) * sum(of_b.values()))
        right.append(sum(count * of_b.get(subject, 0) for subject, count in of_a.items()))
        groups[new] = {subject: of_a.get(subject, 0) + of_b.get(subject, 0) for subject in {**of_a, **of_b}}
    return np.cumsum(right, dtype=np.int64), np.cumsum(made, dtype=np.int64)
