"""A model made of others: the mean of what they make of several views of a picture, joined to one vector."""

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
from semelha.metrics import Cosine, Metric

BLANK = np.full((64, 64, 3), 255, np.uint8)


class Part(Protocol):
    """What a model may be made of: a `Model`."""

    card: Card
    dim: int
    metric: Metric
    fingerprint: str

    @property
    def extractor(self) -> Extractor: ...

    def prepare(self, pixels: NDArray[np.uint8]) -> NDArray[Any]: ...

    def embed_prepared(self, prepared: NDArray[Any]) -> NDArray[np.float32]: ...


class DerivedExtractor:
    """Several models, each of which sees several views of a picture.

    The vectors of the views are averaged where they lie (`middle`). Of several models, which are compared by cosine,
    each is scaled to the root of its weight and all are joined: the similarity of what is joined is the weighted mean
    of their similarities.

    Parameters
    ----------
    parts : sequence of Part
    card : Card
        Says how, in `derived`.
    name : str
        What an error calls it.

    Raises
    ------
    ModelAltered
        The parts are not those that the card names, or cannot be joined.
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
        """(bytes,): what each part takes of each view, one behind the other."""
        taken = [np.ascontiguousarray(each) for part in self.parts for each in _seen(part, pixels, self.views)]
        return np.concatenate([each.reshape(-1).view(np.uint8) for each in taken])

    def vectors(self, prepared: NDArray[Any]) -> NDArray[np.float32]:
        """(n, bytes) → (n, dim). Raises `UsageError` where these are not pictures that went through `prepare`."""
        if prepared.dtype != np.uint8 or prepared.shape[1:] != (self._bytes,):
            raise UsageError(f"the model takes (n, {self._bytes}) uint8, not {prepared.shape} {prepared.dtype}")
        joined, at = [], 0
        for part, (shape, kind, size), length in zip(self.parts, self._shapes, self._lengths, strict=True):
            views = []
            for _ in self.views:
                block = np.ascontiguousarray(prepared[:, at : at + size]).view(kind)
                views.append(part.embed_prepared(block.reshape(len(prepared), *shape)))
                at += size
            found = middle(views, part.metric)
            joined.append(found if len(self.parts) == 1 else length * _unit(found))
        return np.concatenate(joined, axis=1).astype(np.float32, copy=False)


def check_parts(parts: Sequence[Part], views: Sequence[View]) -> None:
    """Nothing, or `UsageError` where no model can be made of these."""
    if len(views) > 1 and any(part.metric.domain == "gaussians" for part in parts):
        raise UsageError("Gaussians of several views have no mean: take one view")
    others = {part.metric.name for part in parts if not isinstance(part.metric, Cosine)}
    if len(parts) > 1 and others:
        raise UsageError(
            f"models that are joined are compared by cosine, and here is one compared by {', '.join(sorted(others))}"
        )


def middle(views: Sequence[NDArray[np.float32]], metric: Metric) -> NDArray[np.float32]:
    """The mean of vectors (n, d) of several views, where each of them lies.

    Histograms stay histograms; other vectors keep the mean of their lengths, which a learned distance may rest on.
    """
    if len(views) == 1:
        return views[0]
    mean = np.mean(views, axis=0)
    if metric.domain == "histograms":
        return np.asarray(mean / mean.sum(axis=1, keepdims=True), np.float32)
    lengths = np.mean([np.linalg.norm(each, axis=1, keepdims=True) for each in views], axis=0)
    return np.asarray(lengths * _unit(mean), np.float32)


def _seen(part: Part, pixels: NDArray[np.uint8], views: Sequence[View]) -> list[NDArray[Any]]:
    """What a part takes of each view. A network sees what fits its input, so that no view is larger than need be."""
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


def _unit(x: NDArray[np.float32]) -> NDArray[np.float32]:
    lengths = np.linalg.norm(x, axis=1, keepdims=True)
    return np.asarray(x / np.where(lengths > 0, lengths, 1), np.float32)
