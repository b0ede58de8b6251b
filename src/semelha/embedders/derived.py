"""Extractor of derived models: vectors averaged over views of a picture, and concatenated over models."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from semelha.embedders.card import Card
from semelha.embedders.extractors import Extractor
from semelha.errors import ModelAltered, UsageError
from semelha.images import View
from semelha.metrics import Metric

BLANK = np.full((64, 64, 3), 255, np.uint8)


class Part(Protocol):
    """The part of `Model` that a derived model needs."""

    card: Card
    dim: int
    metric: Metric
    fingerprint: str

    @property
    def extractor(self) -> Extractor: ...

    def prepare(self, pixels: NDArray[np.uint8]) -> NDArray[Any]: ...

    def embed_prepared(self, prepared: NDArray[Any]) -> NDArray[np.float32]: ...


class DerivedExtractor:
    """Embeds several views of a picture with several models.

    The vectors of the views are averaged (`mean_of_views`). The vectors of several models, which are compared by
    cosine, are scaled to the square roots of their weights and concatenated: the cosine similarity of the result is the
    weighted mean of their similarities. Raises `ModelAltered` if the parts are not those in the card, or cannot be
    combined.
    """

    def __init__(self, parts: Sequence[Part], card: Card, *, name: str) -> None:
        spec = card.derived
        if spec is None or [part.fingerprint for part in parts] != spec.parts:
            raise ModelAltered(f"the parts of {name} are not those that its card names")
        if sum(part.dim for part in parts) != card.dim:
            raise ModelAltered(f"the vectors of the parts of {name} do not make {card.dim} numbers, as its card says")
        try:
            check_parts(parts, spec.views)
        except UsageError as error:
            raise ModelAltered(f"{name} cannot be made of its parts: {error}") from error
        self.parts = tuple(parts)
        self.views = tuple(spec.views)
        shares = np.array(spec.weights) / sum(spec.weights)
        self._lengths = np.sqrt(shares).tolist()
        blanks = [part.prepare(BLANK) for part in parts]
        self._shapes = [(blank.shape, blank.dtype, blank.nbytes) for blank in blanks]
        self.side = _side(parts, self.views)
        self._bytes = len(self.views) * sum(blank.nbytes for blank in blanks)

    def prepare(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """(h, w, 3) → (bytes,): the prepared views of each part, concatenated."""
        taken = [
            np.ascontiguousarray(each) for part in self.parts for each in _prepared_views(part, pixels, self.views)
        ]
        return np.concatenate([each.reshape(-1).view(np.uint8) for each in taken])

    def vectors(self, prepared: NDArray[Any]) -> NDArray[np.float32]:
        """(n, bytes) → (n, dim). Raises `UsageError` for another shape or dtype."""
        if prepared.dtype != np.uint8 or prepared.shape[1:] != (self._bytes,):
            raise UsageError(f"the model takes (n, {self._bytes}) uint8, not {prepared.shape} {prepared.dtype}")
        joined, at = [], 0
        for part, (shape, kind, size), length in zip(self.parts, self._shapes, self._lengths, strict=True):
            views = []
            for _ in self.views:
                block = np.ascontiguousarray(prepared[:, at : at + size]).view(kind)
                views.append(part.embed_prepared(block.reshape(len(prepared), *shape)))
                at += size
            found = mean_of_views(views, part.metric)
            joined.append(found if len(self.parts) == 1 else length * _normalized(found))
        return np.concatenate(joined, axis=1).astype(np.float32, copy=False)


def check_parts(parts: Sequence[Part], views: Sequence[View]) -> None:
    """Raise `UsageError` if these models and views cannot be combined."""
    if len(views) > 1 and any(part.metric.domain == "gaussians" for part in parts):
        raise UsageError("Gaussians of several views have no mean: take one view")
    others = {part.metric.name for part in parts if not part.metric.is_cosine}
    if len(parts) > 1 and others:
        raise UsageError(
            f"models that are joined are compared by cosine, and here is one compared by {', '.join(sorted(others))}"
        )


def mean_of_views(views: Sequence[NDArray[np.float32]], metric: Metric) -> NDArray[np.float32]:
    """Average vectors (n, d) over views.

    Histograms stay histograms. Other vectors get the mean of the lengths, which a learned distance may depend on.
    """
    if len(views) == 1:
        return views[0]
    mean = np.mean(views, axis=0)
    if metric.domain == "histograms":
        return np.asarray(mean / mean.sum(axis=1, keepdims=True), np.float32)
    lengths = np.mean([np.linalg.norm(each, axis=1, keepdims=True) for each in views], axis=0)
    return np.asarray(lengths * _normalized(mean), np.float32)


def _prepared_views(part: Part, pixels: NDArray[np.uint8], views: Sequence[View]) -> list[NDArray[Any]]:
    """Prepare each view for a part. For a network, views are made of the resized picture, which is faster."""
    if part.card.input is None:
        return [part.prepare(view(pixels)) for view in views]
    fitted = part.prepare(pixels).transpose(1, 2, 0)
    return [view(fitted).transpose(2, 0, 1) for view in views]


def _side(parts: Sequence[Part], views: Sequence[View]) -> int | None:
    """Side that a picture needs for all parts. Features see views of the picture itself, which may enlarge it."""
    nearest = max(1.0, *(view.scale for view in views))
    sides = [
        None if part.extractor.side is None
        else part.extractor.side if part.card.input is not None
        else math.ceil(part.extractor.side * nearest)
        for part in parts
    ]  # fmt: skip
    known = [side for side in sides if side is not None]
    return max(known) if len(known) == len(sides) else None


def _normalized(x: NDArray[np.float32]) -> NDArray[np.float32]:
    lengths = np.linalg.norm(x, axis=1, keepdims=True)
    return np.asarray(x / np.where(lengths > 0, lengths, 1), np.float32)
