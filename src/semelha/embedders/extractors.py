"""Extractors compute the vectors of a model: with the graph of a network, or with feature extractors."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from semelha.embedders.card import Card, FeatureSpec
from semelha.embedders.graph import Graph
from semelha.errors import ModelAltered, ModelError, ModelTooNew, UsageError
from semelha.features import Features, features_from_card


@runtime_checkable
class Extractor(Protocol):
    """Computes vectors in two steps: `prepare` for each picture, in threads, and `vectors` for a batch."""

    @property
    def side(self) -> int | None:
        """Side in pixels to which `prepare` resizes pictures; None if it needs them in full."""
        ...

    def prepare(self, pixels: NDArray[np.uint8]) -> NDArray[Any]:
        """Prepare one picture: (h, w, 3) uint8 → an array, of one shape for all pictures."""
        ...

    def vectors(self, prepared: NDArray[Any]) -> NDArray[np.float32]:
        """Compute the vectors of prepared pictures: (n, …) → (n, dim)."""
        ...


class GraphExtractor:
    """Resizes pictures to the input of a network, and runs its graph."""

    def __init__(self, graph: Graph, card: Card) -> None:
        if card.input is None:
            raise ModelAltered(f"the card of {card.name} does not say what its graph takes")
        self.spec = card.input
        self.side = self.spec.side
        self._graph = graph

    def prepare(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """(h, w, 3) → (channels, height, width)."""
        return self.spec.fitted(pixels)

    def vectors(self, prepared: NDArray[Any]) -> NDArray[np.float32]:
        """(n, channels, height, width) uint8 → (n, dim). Raises `UsageError` for another shape or dtype."""
        shape = (self.spec.channels, self.spec.height, self.spec.width)
        if prepared.dtype != np.uint8 or prepared.shape[1:] != shape:
            raise UsageError(
                f"the model takes (n, {', '.join(map(str, shape))}) uint8, not {prepared.shape} {prepared.dtype}"
            )
        return self._graph(prepared)


class FeatureExtractor:
    """Computes features picture by picture."""

    def __init__(self, features: Features) -> None:
        self.features = features
        self.side = features.side

    def prepare(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(h, w, 3) → (dim,)."""
        return self.features(pixels)

    def vectors(self, prepared: NDArray[Any]) -> NDArray[np.float32]:
        """(n, dim) float32, unchanged. Raises `UsageError` for another shape or dtype."""
        if prepared.dtype != np.float32 or prepared.shape[1:] != (self.features.dim,):
            raise UsageError(f"the model takes (n, {self.features.dim}) float32, not {prepared.shape} {prepared.dtype}")
        return prepared

    @property
    def spec(self) -> FeatureSpec:
        """The entry of the features in a card."""
        return FeatureSpec(name=self.features.name, version=self.features.version, arguments=self.features.arguments())


def features_of(card: Card, *, name: str) -> FeatureExtractor:
    """The extractor of the features in a card.

    Raises `ModelError`, `ModelTooNew` or `ModelAltered` if they are unknown, or of another version or dimension.
    """
    spec = card.features
    if spec is None:
        raise ModelAltered(f"the card of {name} names no features")
    features = features_from_card(spec.name, spec.arguments)
    if spec.version != features.version:
        kind = ModelTooNew if spec.version > features.version else ModelError
        raise kind(
            f"{name} was made with version {spec.version} of the features {spec.name}, and this semelha has version "
            f"{features.version}, which gives other numbers: train it again, or use the semelha that made it"
        )
    if features.dim != card.dim:
        raise ModelAltered(f"the features of {name} have {features.dim} numbers, its card says {card.dim}")
    return FeatureExtractor(features)
