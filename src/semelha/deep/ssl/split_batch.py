"""Batch norm over parts of a batch: on one device, what shuffling batch norm does over several."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class SplitBatch(nn.Module):
    """A network that gets a batch in even parts, each with its own batch-norm statistics.

    If queries and keys are normalized by the statistics of one batch, a network can recognize its key among those of
    the queue by the statistics alone, and learns that instead of the content (He et al., CVPR 2020, section 3.3).
    MoCo shuffles keys between devices to avoid it; here the parts of a batch stand for devices.

    Parameters
    ----------
    network : nn.Module
    size : int
        Largest number of pictures in a part. At least 3 are used, so that no part has a single picture.
    shuffle : bool
        Draw the pictures of each part by torch's global generator. The output keeps the order of the batch.
    """

    def __init__(self, network: nn.Module, size: int, *, shuffle: bool = False) -> None:
        super().__init__()
        self.network = network
        self.size = max(3, size)
        self.shuffle = shuffle

    def forward(self, pixels: Tensor) -> Tensor:
        order = (torch.randperm if self.shuffle else torch.arange)(len(pixels)).to(pixels.device)
        parts = order.tensor_split(-(-len(pixels) // self.size))
        return torch.cat([self.network(pixels[part]) for part in parts])[order.argsort()]
