"""Pictures that are asked about: their vectors, and what they are known by where a rejection may name them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semelha.embedders import Model, Progress, Source, as_pictures
from semelha.errors import PictureError
from semelha.images import Picture, Skipped, content_hash, read_all
from semelha.metrics import Metric
from semelha.recognition import Candidate, Match, RejectedPictures, Verification, excluded_subjects
from semelha.recognition.exclusion import EXCLUDED
from semelha.store import View

DECODED = 64  # pictures at a time

Vectors = NDArray[np.float32]
Ranked = tuple[Candidate, ...]


@dataclass(frozen=True, eq=False)
class EmbeddedProbes:
    """Pictures that were looked at.

    Attributes
    ----------
    vectors : (n, d) float32
        Of those that can be decoded.
    hashes : list of str or None
        Content hashes of these, where they are wanted.
    places : (n,) int64
        Of these, among those that were given.
    names : tuple of str
        Of all that were given.
    errors : dict of int to PictureError
        What is wrong with the others, by their places.
    """

    vectors: Vectors
    hashes: list[str] | None
    places: NDArray[np.int64]
    names: tuple[str, ...]
    errors: dict[int, PictureError]

    @property
    def skipped(self) -> tuple[Skipped, ...]:
        """Those that cannot be decoded, and why."""
        return tuple(Skipped(self.names[place], str(error)) for place, error in self.errors.items())


def embed_probes(
    model: Model,
    pictures: Sequence[Source],
    *,
    hashed: bool = False,
    strict: bool = True,
    progress: Progress | None = None,
) -> EmbeddedProbes:
    """Decode and embed. If `strict` this raises the `PictureError` of the first picture that cannot be used."""

    def read(picture: Picture) -> tuple[NDArray[Any], str]:
        pixels = picture.pixels()
        return model.prepare(pixels), content_hash(pixels) if hashed else ""

    names: list[str] = []
    places: list[int] = []
    hashes: list[str] = []
    blocks: list[Vectors] = []
    errors: dict[int, PictureError] = {}
    for start in range(0, len(pictures), DECODED):
        given = [_picture(source, start + k) for k, source in enumerate(pictures[start : start + DECODED])]
        usable = [one for one in given if isinstance(one, Picture)]
        results = iter(read_all(usable, read))
        prepared = []
        for place, one in enumerate(given, start):
            names.append(one.name if isinstance(one, Picture) else f"picture {place}")
            result = next(results) if isinstance(one, Picture) else one
            if not isinstance(result, PictureError):
                prepared.append(result[0])
                hashes.append(result[1])
                places.append(place)
            elif strict:
                raise result
            else:
                errors[place] = result
        if prepared:
            blocks.append(model.embed_prepared(np.stack(prepared)))
        if progress is not None:
            progress(len(names), len(pictures))
    vectors = np.concatenate(blocks) if blocks else np.empty((0, model.dim), np.float32)
    return EmbeddedProbes(vectors, hashes if hashed else None, np.array(places, np.int64), tuple(names), errors)


def _picture(source: Source, place: int) -> Picture | PictureError:
    try:
        return as_pictures([source], first=place)[0]
    except PictureError as error:
        return error


def rank_without_rejected(
    view: View,
    metric: Metric,
    vectors: Vectors,
    hashes: Sequence[str] | None,
    k: int,
    candidates: Callable[[Vectors, int], list[Ranked]],
) -> tuple[list[Ranked], list[frozenset[str]]]:
    """The nearest subjects of each probe (probes, d), so many that k are not excluded, and which of them are.

    `candidates` gives a number of them at a time, or all where there are fewer.
    """
    ranked: list[Ranked] = [()] * len(vectors)
    found = [frozenset[str]()] * len(vectors)
    pending, wide = list(range(len(vectors))), k
    while pending:
        some = candidates(vectors[pending], wide)
        rejected = _rejected(view, {one.subject for each in some for one in each})
        for row, each in zip(pending, some, strict=True):
            content = None if hashes is None else hashes[row]
            ranked[row], found[row] = each, excluded_subjects(each, vectors[row], content, rejected, metric)
        pending = [row for row in pending if len(ranked[row]) == wide and wide - len(found[row]) < k]
        wide *= 4
    return ranked, found


def apply_rejections(
    found: Verification, view: View, metric: Metric, probe: Vectors, content_hash: str, stored: Vectors
) -> Verification:
    """What was found of a probe (d,) and a subject of these examples (n, d); not the same where that is excluded."""
    name = found.subject or ""
    nearest = float(metric.pairwise(probe[None].astype(np.float64), stored.astype(np.float64)).min())
    one = Candidate(name, nearest, (Match(0, "", nearest),))
    if not excluded_subjects([one], probe, content_hash, _rejected(view, {name}), metric):
        return found
    return replace(found, same=False, note=f"{found.note}; {EXCLUDED.format(name)}")


def _rejected(view: View, subjects: set[str]) -> dict[str, RejectedPictures]:
    """By subject."""
    found: dict[str, list[tuple[str, Vectors]]] = {}
    for name, content, vector in view.rejected(subjects):
        found.setdefault(name, []).append((content, vector))
    return {
        name: RejectedPictures(frozenset(content for content, _ in said), np.stack([vector for _, vector in said]))
        for name, said in found.items()
    }
