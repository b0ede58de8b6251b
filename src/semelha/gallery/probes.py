"""Probes: embeds the pictures to identify or verify, and excludes the subjects that were rejected for them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from semelha.embedders import Model, Progress, Source, embed_pictures
from semelha.errors import PictureError
from semelha.gallery.ranking import RankedSubjects
from semelha.images import HashBasis, Skipped
from semelha.images.sources import iterate_sources, name_of
from semelha.metrics import Metric
from semelha.recognition import Candidate, Match, RejectedPictures, Verification, excluded_subjects
from semelha.recognition.identify import EXCLUDED
from semelha.store import View

Vectors = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class EmbeddedProbes:
    """Pictures and their vectors."""

    vectors: Vectors  # (n, d), of the pictures that can be decoded
    hashes: list[str] | None  # their content hashes
    positions: NDArray[np.int64]  # (n,), their positions among all pictures
    names: tuple[str, ...]  # of all pictures
    skipped: tuple[Skipped, ...] = ()  # those that cannot be decoded, and why


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
