"""Batch norm by parts of a batch: what one device does where a paper has several."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class InParts(nn.Module):
    """A network that sees a batch in even parts, each normalized by itself.

    Where queries and keys are normalized by one batch, a network can tell its own key from those of the queue by the
    statistics alone, and learns that instead of what a picture shows (He et al., CVPR 2020, section 3.3). Several
    devices avoid it by shuffling keys between them; one device, by parts of a batch in place of devices.

    Parameters
    ----------
    network : nn.Module
    size : int
        Pictures in a part at most; 3 or more are used, lest one be left over alone.
    shuffle : bool
        Draw which pictures make a part, by torch's own generator. They come out in their order all the same.
    """

    def __init__(self, network: nn.Module, size: int, *, shuffle: bool = False) -> None:
        super().__init__()
        self.network = network
        self.size = max(3, size)
        self.shuffle = shuffle

    def forward(self, pixels: Tensor) -> Tensor:
        order = (torch.randperm if self.shuffle else torch.arange)(len(pixels)).to(pixels.device)
        parts = order.tensor_split(-(-len(pixels) // self.size))
        return torch.cat([self.network(pixels[some]) for some in parts])[order.argsort()]
