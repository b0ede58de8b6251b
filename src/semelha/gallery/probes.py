"""Probes: embeds the pictures to identify, ranks their nearest subjects, and excludes those that were rejected."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from semelha.embedders import Model, Progress, Source, embed_pictures
from semelha.errors import PictureError, UsageError
from semelha.images import HashBasis, Skipped
from semelha.images.picture import iterate_sources, name_of
from semelha.index import Snapshot
from semelha.metrics import Metric
from semelha.recognition import (
    Candidate,
    Match,
    RejectedPictures,
    Scoring,
    Verification,
    excluded_subjects,
    rank_subjects,
)
from semelha.recognition.identify import EXCLUDED
from semelha.store import View
from semelha.tracing import span

SHORTLIST = 32  # subjects with the nearest examples, which another pooling ranks again

Vectors = NDArray[np.float32]
RankedSubjects = tuple[Candidate, ...]


@dataclass(frozen=True, eq=False)
class EmbeddedProbes:
    """Pictures and their vectors."""

    vectors: Vectors  # (n, d), of the pictures that can be decoded
    hashes: list[str] | None  # their content hashes
    positions: NDArray[np.int64]  # (n,), their positions among all pictures
    names: tuple[str, ...]  # of all pictures
    skipped: tuple[Skipped, ...] = ()  # those that cannot be decoded, and why


@dataclass(frozen=True, eq=False)
class Probe:
    """A picture that was embedded.

    Attributes
    ----------
    name : str
    vector : (dim,) float32
    content_hash : str
        By which rejections of the same picture count.
    """

    name: str
    vector: Vectors
    content_hash: str


def embedded_probes(model: Model, pictures: Iterable[Source], hash_basis: HashBasis) -> list[Probe | PictureError]:
    """Embed pictures: a probe for each, in order, or the error of one that cannot be used."""
    return [
        one if isinstance(one, PictureError) else Probe(one.name, one.vector, one.content_hash)
        for one in embed_pictures(model, iterate_sources(pictures), hashed=hash_basis)
    ]


def with_vectors(probes: Sequence[Probe], model: Model) -> EmbeddedProbes:
    """The vectors and hashes of probes in one array. Raises `UsageError` if one is no probe."""
    probes = list(probes)
    if not all(isinstance(one, Probe) for one in probes):
        raise UsageError("probes has an element that is no probe: Gallery.embed_probes makes them")
    return EmbeddedProbes(
        np.stack([one.vector for one in probes]) if probes else np.empty((0, model.dim), np.float32),
        [one.content_hash for one in probes],
        np.arange(len(probes)),
        tuple(one.name for one in probes),
    )


def embed_probes(
    model: Model,
    pictures: Source | Iterable[Source],
    *,
    hash_basis: HashBasis | None = None,
    strict: bool = True,
    progress: Progress | None = None,
) -> EmbeddedProbes:
    """Embed pictures, with content hashes if `hash_basis` is not None.

    If `strict` it raises the `PictureError` of the first picture that cannot be used; otherwise these are skipped.
    """
    sources = list(iterate_sources(pictures))
    embedded, skipped, names = [], [], []
    results = embed_pictures(model, sources, hashed=hash_basis or False, progress=progress)
    for position, one in enumerate(results):
        if not isinstance(one, PictureError):
            embedded.append(one)
            names.append(one.name)
        elif strict:
            raise one
        else:
            names.append(name_of(sources[position], position))
            skipped.append(Skipped(names[-1], str(one)))
    return EmbeddedProbes(
        np.stack([one.vector for one in embedded]) if embedded else np.empty((0, model.dim), np.float32),
        [one.content_hash for one in embedded] if hash_basis else None,
        np.array([one.position for one in embedded], np.int64),
        tuple(names),
        tuple(skipped),
    )


def rank_without_rejected(
    view: View,
    metric: Metric,
    vectors: Vectors,
    hashes: Sequence[str] | None,
    k: int,
    candidates: Callable[[Vectors, int], list[RankedSubjects]],
) -> tuple[list[RankedSubjects], list[frozenset[str]]]:
    """Rank so many subjects for each probe (probes, d) that k are not excluded, and name the excluded ones.

    `candidates` returns a number of subjects per probe, or all if there are fewer.
    """
    ranked: list[RankedSubjects] = [()] * len(vectors)
    excluded = [frozenset[str]()] * len(vectors)
    pending, wide = list(range(len(vectors))), k
    while pending:
        found = candidates(vectors[pending], wide)
        rejected = _rejected_pictures(view, {one.subject for each in found for one in each})
        for row, each in zip(pending, found, strict=True):
            content = None if hashes is None else hashes[row]
            ranked[row] = each
            excluded[row] = excluded_subjects(each, vectors[row], content, rejected, metric)
        pending = [row for row in pending if len(ranked[row]) == wide and wide - len(excluded[row]) < k]
        wide *= 4
    return ranked, excluded


def apply_rejections(
    found: Verification, view: View, metric: Metric, probe: Vectors, content_hash: str | None, stored: Vectors
) -> Verification:
    """The verification of a probe (d,) against a subject's examples (n, d): not the same if the subject is excluded."""
    name = found.subject or ""
    nearest = float(metric.pairwise(probe[None].astype(np.float64), stored.astype(np.float64)).min())
    one = Candidate(name, nearest, (Match(0, "", nearest),))
    if not excluded_subjects([one], probe, content_hash, _rejected_pictures(view, {name}), metric):
        return found
    return replace(found, same=False, note=f"{found.note}; {EXCLUDED.format(name)}")


def _rejected_pictures(view: View, subjects: set[str]) -> dict[str, RejectedPictures]:
    """By subject."""
    found: dict[str, list[tuple[str, Vectors]]] = {}
    for name, content, vector in view.rejected(subjects):
        found.setdefault(name, []).append((content, vector))
    return {
        name: RejectedPictures(frozenset(content for content, _ in each), np.stack([vector for _, vector in each]))
        for name, each in found.items()
    }


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
        with span("search", attributes={"semelha.probes": len(vectors)}):
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
