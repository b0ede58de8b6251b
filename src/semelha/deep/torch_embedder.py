"""A torch network as an embedder, such as an untrained network as a baseline for the architecture alone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from semelha.deep.loop import embed
from semelha.deep.network import EmbeddingNet, Network, build
from semelha.deep.readout import MultiLayerNet
from semelha.embedders import Card, InputSpec, embed_all
from semelha.images import Progress, Source
from semelha.metrics import METRICS, Cosine, Metric


class TorchEmbedder:
    """An embedder (pictures → vectors) that runs a torch network on the CPU."""

    def __init__(self, module: EmbeddingNet | MultiLayerNet, spec: InputSpec, metric: Metric, fingerprint: str) -> None:
        self.module = module
        self.spec = spec
        self.side = spec.side
        self.dim = module.dim
        self.metric = metric
        self.fingerprint = fingerprint

    def embed(
        self, pictures: Source | Iterable[Source], *, batch_size: int = 256, progress: Progress | None = None
    ) -> NDArray[np.float32]:
        """(n, dim) float32, as `Model.embed`."""
        return embed_all(self, pictures, self.dim, batch_size=batch_size, progress=progress)

    def prepare(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """One picture, fitted to the input."""
        return self.spec.fitted(pixels)

    def vectors(self, prepared: NDArray[Any]) -> NDArray[np.float32]:
        """(n, channels, height, width) uint8 → (n, dim)."""
        return embed(self.module, prepared, torch.device("cpu"), batch=len(prepared))


def untrained_embedder(card: Card, *, seed: int = 0) -> TorchEmbedder | None:
    """The network of `card` with random weights drawn from `seed`; None for a model without a network."""
    if card.input is None:
        return None
    network = replace(Network.of_card(card), readout="head")
    kind = METRICS[card.metric["name"]]
    metric = kind() if network.head == "simplex" else Cosine()  # it has no learned matrix
    return TorchEmbedder(build(network, seed=seed), card.input, metric, f"untrained-{seed}-{card.fingerprint}")
