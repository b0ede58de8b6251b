"""Ranks the subjects nearest to a probe, by any pooling of their examples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from semelha.index import Snapshot
from semelha.metrics import Metric
from semelha.recognition import Candidate, Scoring, rank_subjects
from semelha.store import View

SHORTLIST = 32  # subjects with the nearest examples, which another pooling ranks again

RankedSubjects = tuple[Candidate, ...]


def by_nearest(view: View, index: Snapshot, vectors: NDArray[np.float32], k: int) -> list[RankedSubjects]:
    """Rank the k subjects with the nearest examples, for each probe (probes, d)."""
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
    """`by_nearest`, without the subject that is named for each probe; "" leaves none out."""
    if without is None or not any(without):
        return by_nearest(view, index, vectors, k)
    found = by_nearest(view, index, vectors, k + 1)
    kept = zip(found, without, strict=True)
    return [tuple(one for one in ranking if one.subject != other)[:k] for ranking, other in kept]


class SubjectRanker:
    """Ranks subjects by a scoring's pooling, at one change of the gallery.

    Only the subjects with the nearest examples are ranked: a subject whose prototype is near, but none of its examples,
    is not found. `leave_last_out` ignores the last example of each subject that has several, so that a probe that is an
    example itself is compared with as many examples of others as of its own subject.
    """

    def __init__(
        self, view: View, index: Snapshot, metric: Metric, scoring: Scoring, *, leave_last_out: bool = False
    ) -> None:
        self._view = view
        self._index = index
        self._metric = metric
        self._scoring = scoring
        self._leave_last_out = leave_last_out
        self._compared: dict[str, NDArray[np.float64]] = {}

    def rank(
        self, vectors: NDArray[np.float32], k: int, *, without: Sequence[str] | None = None
    ) -> list[RankedSubjects]:
        """Rank the k nearest subjects of each probe (probes, d); `without` names one to leave out of each."""
        wide = max(k, SHORTLIST) if self._reranks else k
        found = nearby(self._view, self._index, vectors, wide, without)
        return [ranking[:k] for ranking in self.rerank(vectors, found)]

    def rerank(self, vectors: NDArray[np.float32], rankings: Sequence[RankedSubjects]) -> list[RankedSubjects]:
        """Rank again by the pooling what was ranked by the nearest example, for probes (probes, d)."""
        if not self._reranks:
            return list(rankings)
        return [self._pooled(vector, one) if one else one for vector, one in zip(vectors, rankings, strict=True)]

    @property
    def _reranks(self) -> bool:
        return self._scoring.pooling != "nearest" or self._leave_last_out

    def _pooled(self, vector: NDArray[np.float32], ranking: RankedSubjects) -> RankedSubjects:
        pooled = self._scoring.pool(self._metric, vector, [self._of(one.subject) for one in ranking])
        moved = [replace(one, distance=distance) for one, distance in zip(ranking, pooled.tolist(), strict=True)]
        return tuple(sorted(moved, key=lambda one: one.distance))

    def _of(self, subject: str) -> NDArray[np.float64]:
        if subject not in self._compared:
            examples = self._view.vectors_of(subject)
            references = examples[:-1] if self._leave_last_out and len(examples) > 1 else examples
            self._compared[subject] = self._scoring.references(references)
        return self._compared[subject]
