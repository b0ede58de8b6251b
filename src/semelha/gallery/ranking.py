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

RankedSubjects = tuple[Candidate, ...]


def by_nearest(view: View, index: Snapshot, vectors: NDArray[np.float32], k: int) -> list[RankedSubjects]:
    """The k subjects that have the nearest examples, of each probe (probes, d)."""
    ranked: list[RankedSubjects] = [()] * len(vectors)
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


def nearby(
    view: View, index: Snapshot, vectors: NDArray[np.float32], k: int, without: Sequence[str] | None
) -> list[RankedSubjects]:
    """`by_nearest`, for each probe without a subject, by its name, where one is to be left out."""
    if without is None or not any(without):
        return by_nearest(view, index, vectors, k)
    found = by_nearest(view, index, vectors, k + 1)
    kept = zip(found, without, strict=True)
    return [tuple(one for one in ranking if one.subject != other)[:k] for ranking, other in kept]


class SubjectRanker:
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

    def rank(
        self, vectors: NDArray[np.float32], k: int, *, without: Sequence[str] | None = None
    ) -> list[RankedSubjects]:
        """The k nearest subjects of each probe (probes, d), or the 32 nearest where k is more; one may be left out."""
        wide = max(k, PROSPECTS) if self._moves else k
        found = nearby(self._view, self._index, vectors, wide, without)
        return [ranking[:k] for ranking in self.again(vectors, found)]

    def again(self, vectors: NDArray[np.float32], rankings: Sequence[RankedSubjects]) -> list[RankedSubjects]:
        """Rankings of probes (probes, d) by the nearest example, as they are by the pooling."""
        if not self._moves:
            return list(rankings)
        return [self._pooled(vector, one) if one else one for vector, one in zip(vectors, rankings, strict=True)]

    @property
    def _moves(self) -> bool:
        return self._scoring.pooling != "nearest" or self._spared

    def _pooled(self, vector: NDArray[np.float32], ranking: RankedSubjects) -> RankedSubjects:
        pooled = self._scoring.pool(self._metric, vector, [self._of(one.subject) for one in ranking])
        moved = [replace(one, distance=distance) for one, distance in zip(ranking, pooled.tolist(), strict=True)]
        return tuple(sorted(moved, key=lambda one: one.distance))

    def _of(self, subject: str) -> NDArray[np.float64]:
        if subject not in self._compared:
            examples = self._view.vectors_of(subject)
            spared = examples[:-1] if self._spared and len(examples) > 1 else examples
            self._compared[subject] = self._scoring.references(spared)
        return self._compared[subject]
