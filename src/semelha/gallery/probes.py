"""Pictures that are asked about: their vectors, and what they are known by where a rejection may name them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semelha.embedders import Model, Progress, Source, as_pictures
from semelha.errors import PictureError
from semelha.images import Picture, content_hash, read_all
from semelha.metrics import Metric
from semelha.recognition import Candidate, Match, Rejected, Verification, barred
from semelha.recognition.rejections import SAID
from semelha.store import View

DECODED = 64  # pictures at a time

Vectors = NDArray[np.float32]
Ranked = tuple[Candidate, ...]


def looked_at(
    model: Model, pictures: Sequence[Source], *, hashed: bool, progress: Progress | None = None
) -> tuple[Vectors, list[str] | None]:
    """Vectors (n, dim) of pictures and, if they are to be `hashed`, their content hashes. Raises `PictureError`."""
    if not hashed:
        return model.embed(pictures, progress=progress), None

    def read(picture: Picture) -> tuple[NDArray[Any], str]:
        pixels = picture.pixels()
        return model.prepare(pixels), content_hash(pixels)

    vectors, hashes = np.empty((len(pictures), model.dim), np.float32), []
    for start in range(0, len(pictures), DECODED):
        prepared = []
        for result in read_all(as_pictures(pictures[start : start + DECODED], first=start), read):
            if isinstance(result, PictureError):
                raise result
            prepared.append(result[0])
            hashes.append(result[1])
        vectors[start : start + len(prepared)] = model.embed_prepared(np.stack(prepared))
        if progress is not None:
            progress(len(hashes), len(pictures))
    return vectors, hashes


def ranked_and_barred(
    view: View,
    metric: Metric,
    vectors: Vectors,
    hashes: Sequence[str] | None,
    k: int,
    candidates: Callable[[Vectors, int], list[Ranked]],
) -> tuple[list[Ranked], list[frozenset[str]]]:
    """The nearest subjects of each probe (probes, d), so many that k are not barred, and which of them are.

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
            ranked[row], found[row] = each, barred(each, vectors[row], content, rejected, metric)
        pending = [row for row in pending if len(ranked[row]) == wide and wide - len(found[row]) < k]
        wide *= 4
    return ranked, found


def unless_barred(
    found: Verification, view: View, metric: Metric, probe: Vectors, content_hash: str, stored: Vectors
) -> Verification:
    """What was found of a probe (d,) and a subject of these examples (n, d); not the same where that is barred."""
    name = found.subject or ""
    nearest = float(metric.pairwise(probe[None].astype(np.float64), stored.astype(np.float64)).min())
    one = Candidate(name, nearest, (Match(0, "", nearest),))
    if not barred([one], probe, content_hash, _rejected(view, {name}), metric):
        return found
    return replace(found, same=False, note=f"{found.note}; {SAID.format(name)}")


def _rejected(view: View, subjects: set[str]) -> dict[str, Rejected]:
    """By subject."""
    found: dict[str, list[tuple[str, Vectors]]] = {}
    for name, content, vector in view.rejected(subjects):
        found.setdefault(name, []).append((content, vector))
    return {
        name: Rejected(frozenset(content for content, _ in said), np.stack([vector for _, vector in said]))
        for name, said in found.items()
    }
