"""A network that has learned nothing: the baseline that tells what the architecture alone is worth."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from semelha.deep.loop import embed
from semelha.deep.network import Network, build
from semelha.embedders import Card, Source, prepare
from semelha.metrics import Cosine, Metric


class TorchEmbedder:
    """A torch network at work, with the face of an embedder (pictures in, vectors out)."""

    def __init__(self, network: Network, module: torch.nn.Module, card: Card, fingerprint: str) -> None:
        self.network = network
        self.module = module
        self.card = card
        self.dim = network.dim
        self.metric: Metric = Cosine()
        self.fingerprint = fingerprint

    def embed(
        self,
        pictures: Sequence[Source],
        *,
        batch_size: int = 256,
        progress: Callable[[int, int], None] | None = None,
    ) -> NDArray[np.float32]:
        """(n, dim) float32, as `NetworkEmbedder.embed`."""
        out = [np.empty((0, self.dim), np.float32)]
        for start in range(0, len(pictures), batch_size):
            block = prepare(pictures[start : start + batch_size], self.card.input, first=start)
            out.append(embed(self.module, block, torch.device("cpu"), batch=batch_size))
            if progress is not None:
                progress(min(start + batch_size, len(pictures)), len(pictures))
        return np.concatenate(out)


def untrained(card: Card, *, seed: int = 0) -> TorchEmbedder:
    """The network of `card`, with random weights drawn from `seed`."""
    network = replace(Network(**card.network), pretrained=False)
    return TorchEmbedder(network, build(network, seed=seed), card, f"untrained-{seed}-{card.fingerprint}")
