"""The subjects nearest to a probe, by any pooling of their examples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from semelha.index import Snapshot
from semelha.metrics import Metric
from semelha.recognition import Candidate, Scoring, rank_subjects
from semelha.store import View

PROSPECTS = 32  # subjects with the nearest examples, of which the nearest by another pooling are taken

Ranking = tuple[Candidate, ...]


def by_nearest(view: View, index: Snapshot, vectors: NDArray[np.float32], k: int) -> list[Ranking]:
    """The k subjects that have the nearest examples, of each probe (probes, d)."""
    ranked: list[Ranking] = [()] * len(vectors)
    pending, deep = np.arange(len(vectors)), min(len(index), max(4 * k, 32))
    while len(pending) and deep:
        found = index.search(vectors[pending], deep)
        of = view.owners(set(found.ids.ravel().tolist()))
        for row, ids, distances in zip(pending.tolist(), found.ids, found.distances, strict=True):
            ranked[row] = rank_subjects(ids, distances, of, k)
        if deep == len(index) or min(len(one) for one in ranked) >= k:
            break
        wanted = min(k, view.subject_count())
        pending = np.array([row for row in pending.tolist() if len(ranked[row]) < wanted], np.int64)
        deep = min(len(index), 4 * deep)
    return ranked


class Pooled:
    """Ranks subjects by a scoring's pooling, at one moment.

    The subjects looked at are those with the nearest examples: a subject whose prototype is near, and none of whose
    examples is, is not found.

    Parameters
    ----------
    view : View
    index : Snapshot
        Of the same moment.
    metric : Metric
    scoring : Scoring
    spared : bool
        Of each subject that has more than one example the last is not looked at: then a probe that is itself an example
        has no more to compare with among others than among its own.
    """

    def __init__(self, view: View, index: Snapshot, metric: Metric, scoring: Scoring, *, spared: bool = False) -> None:
        self._view = view
        self._index = index
        self._metric = metric
        self._scoring = scoring
        self._spared = spared
        self._compared: dict[str, NDArray[np.float64]] = {}

    def rank(self, vectors: NDArray[np.float32], k: int, *, without: Sequence[str] | None = None) -> list[Ranking]:
        """The k nearest subjects of each probe (probes, d), or the 32 nearest where k is more; one may be left out."""
        again = self._scoring.pooling != "nearest" or self._spared
        if without is None:
            without = [""] * len(vectors)
        more = any(without)
        found = by_nearest(self._view, self._index, vectors, (max(k, PROSPECTS) if again else k) + more)
        ranked = []
        for vector, ranking, other in zip(vectors, found, without, strict=True):
            kept = tuple(one for one in ranking if one.subject != other)
            ranked.append((self._again(vector, kept) if again and kept else kept)[:k])
        return ranked

    def _again(self, vector: NDArray[np.float32], ranking: Ranking) -> Ranking:
        pooled = self._scoring.pooled(self._metric, vector, [self._of(one.subject) for one in ranking])
        moved = [replace(one, distance=distance) for one, distance in zip(ranking, pooled.tolist(), strict=True)]
        return tuple(sorted(moved, key=lambda one: one.distance))

    def _of(self, subject: str) -> NDArray[np.float64]:
        if subject not in self._compared:
            examples = self._view.vectors_of(subject)
            spared = examples[:-1] if self._spared and len(examples) > 1 else examples
            self._compared[subject] = self._scoring.compared(spared)
        return self._compared[subject]
