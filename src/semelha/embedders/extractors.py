"""What a model makes vectors with: a network's graph, or features that are not learned."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from semelha.embedders.card import Card, FeatureSpec
from semelha.embedders.graph import Graph
from semelha.errors import ModelAltered, ModelError, ModelTooNew, UsageError
from semelha.features import Features, features_from_card


class Extractor(Protocol):
    """Pixels to vectors in two steps: one for each picture, which runs in threads, and one for many at once."""

    @property
    def side(self) -> int | None:
        """Side in pixels to which `prepare` resizes pictures; None if it needs them in full."""
        ...

    def prepare(self, pixels: NDArray[np.uint8]) -> NDArray[Any]:
        """What is kept of one picture: (h, w, 3) uint8 → an array, of one shape for all pictures."""
        ...

    def vectors(self, prepared: NDArray[Any]) -> NDArray[np.float32]:
        """Of what was prepared: (n, …) → (n, dim)."""
        ...


class GraphExtractor:
    """A network: fits pictures to its input, and runs them together."""

    def __init__(self, graph: Graph, card: Card) -> None:
        if card.input is None:
            raise ModelAltered(f"the card of {card.name} does not say what its graph takes")
        self.spec = card.input
        self.side = self.spec.side
        self._graph = graph

    def prepare(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """(channels, height, width)."""
        return self.spec.fitted(pixels)

    def vectors(self, prepared: NDArray[Any]) -> NDArray[np.float32]:
        """Raises `UsageError` where these are not pictures fitted to the input."""
        shape = (self.spec.channels, self.spec.height, self.spec.width)
        if prepared.dtype != np.uint8 or prepared.shape[1:] != shape:
            raise UsageError(
                f"the model takes (n, {', '.join(map(str, shape))}) uint8, not {prepared.shape} {prepared.dtype}"
            )
        return self._graph(prepared)


class FeatureExtractor:
    """Features that are not learned: all is done picture by picture."""

    def __init__(self, features: Features) -> None:
        self.features = features
        self.side = features.side

    def prepare(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(dim,)."""
        return self.features(pixels)

    def vectors(self, prepared: NDArray[Any]) -> NDArray[np.float32]:
        """Raises `UsageError` where these are not such vectors."""
        if prepared.dtype != np.float32 or prepared.shape[1:] != (self.features.dim,):
            raise UsageError(f"the model takes (n, {self.features.dim}) float32, not {prepared.shape} {prepared.dtype}")
        return prepared

    @property
    def spec(self) -> FeatureSpec:
        """What a card says of it."""
        return FeatureSpec(name=self.features.name, version=self.features.version, arguments=self.features.arguments())


def features_of(card: Card, *, name: str) -> FeatureExtractor:
    """The features that a card names.

    Raises
    ------
    ModelError, ModelTooNew, ModelAltered
        They are unknown here, of another version, or of another dimension than the card says.
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
