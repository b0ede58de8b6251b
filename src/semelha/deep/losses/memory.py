"""Cross-batch memory: anchors of a batch against what the last batches were."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from semelha.deep.losses.pair_loss import PairLoss
from semelha.deep.losses.pairs import References
from semelha.errors import UsageError


class CrossBatchMemory(nn.Module):
    """Any loss of pairs, against the last embeddings instead of the batch alone (XBM: Wang et al., CVPR 2020).

    The batch is remembered first, and compared with all that is remembered: the embeddings of the batch as anchors,
    with a gradient, and those remembered, itself among them, without. No picture is its own positive. The more slowly
    the network changes, the farther back a memory is of use. What is remembered is part of the state of the module,
    and goes into a checkpoint.

    Parameters
    ----------
    loss : PairLoss
    dim : int
        Length of an embedding.
    size : int
        How many embeddings are remembered; a batch or more.
    warmup : int
        Batches before the memory is used: so long the loss is that of the batch alone.
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
        self.register_buffer("seen", torch.zeros(2, dtype=torch.int64))  # pictures and batches

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        if len(labels) > self.size:
            raise UsageError(f"a batch of {len(labels)} does not fit into a memory of {self.size}: make that larger")
        pictures, batches = self.seen.tolist()
        own = (pictures + torch.arange(len(labels), device=labels.device)) % self.size  # the oldest make room
        with torch.no_grad():
            self.embeddings[own] = embeddings.detach().to(self.embeddings.dtype)
            self.labels[own] = labels
            self.seen += torch.tensor([len(labels), 1], device=self.seen.device)
        remembered = None
        if batches >= self.warmup:
            filled = min(pictures + len(labels), self.size)
            # A copy, for the backward pass needs what is compared now, and the next batch overwrites it.
            remembered = References(self.embeddings[:filled].clone(), self.labels[:filled].clone(), own)
        value: Tensor = self.loss(embeddings, labels, remembered)
        return value
