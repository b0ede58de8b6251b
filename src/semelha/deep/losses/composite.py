"""Losses made of other losses: a memory of the last batches (XBM), and a weighted sum."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from semelha.deep.losses.distances import References
from semelha.deep.losses.pair_loss import PairLoss
from semelha.errors import UsageError


class CrossBatchMemory(nn.Module):
    """A loss of pairs between the batch and a memory of the last embeddings (Wang et al., CVPR 2020).

    The batch first enters the memory and is then compared with all of it. The anchors have a gradient, the embeddings
    in the memory have none. No picture is its own positive. The more slowly the network changes, the longer an
    embedding stays useful. The memory is part of the module's state, and so of a checkpoint.

    Parameters
    ----------
    loss : PairLoss
    dim : int
        Dimension of the embedding.
    size : int
        Number of embeddings in the memory; at least a batch.
    warmup : int
        Number of first batches in which the loss is that of the batch alone.
    """

    embeddings: Tensor
    labels: Tensor
    seen: Tensor

    def __init__(self, loss: PairLoss, dim: int, *, size: int, warmup: int = 0) -> None:
        super().__init__()
        self.loss = loss
        self.size = size
        self.warmup = warmup
        self.register_buffer("embeddings", torch.zeros(size, dim))
        self.register_buffer("labels", torch.zeros(size, dtype=torch.int64))
        self.register_buffer("seen", torch.zeros(2, dtype=torch.int64))  # number of pictures and batches so far

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """Compute the loss of a batch. Raises `UsageError` if the batch is larger than the memory."""
        if len(labels) > self.size:
            raise UsageError(f"size is {self.size}: it must be at least the batch of {len(labels)}")
        pictures, batches = self.seen.tolist()
        own = (pictures + torch.arange(len(labels), device=labels.device)) % self.size  # in place of the oldest
        with torch.no_grad():
            self.embeddings[own] = embeddings.detach().to(self.embeddings.dtype)
            self.labels[own] = labels
            self.seen += torch.tensor([len(labels), 1], device=self.seen.device)
        references = None
        if batches >= self.warmup:
            filled = min(pictures + len(labels), self.size)
            # A copy, because the next batch may overwrite the memory before the backward pass.
            references = References(self.embeddings[:filled].clone(), self.labels[:filled].clone(), own)
        value: Tensor = self.loss(embeddings, labels, references)
        return value


class WeightedSum(nn.Module):
    """The weighted sum of losses of (embeddings, labels), such as a loss of pairs and a loss of proxies.

    Raises `UsageError` if there is no loss, or another number of weights than of losses.

    Parameters
    ----------
    losses : nn.Module
        At least one.
    weights : sequence of float, optional
        Weight of each loss; 1 by default.
    """

    def __init__(self, *losses: nn.Module, weights: Sequence[float] | None = None) -> None:
        super().__init__()
        if not losses:
            raise UsageError("a weighted sum needs at least one loss")
        self.losses = nn.ModuleList(losses)
        self.weights = tuple(weights or [1.0] * len(losses))
        if len(self.weights) != len(losses):
            raise UsageError(f"there are {len(losses)} losses and {len(self.weights)} weights")

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        total = embeddings.new_zeros(())
        for weight, loss in zip(self.weights, self.losses, strict=True):
            total = total + weight * loss(embeddings, labels)
        return total
