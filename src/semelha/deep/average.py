"""The moving average of a network, which is what a training keeps."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import torch
from torch import Tensor, nn


class MovingAverage(nn.Module):
    """Exponential moving average of parameters and buffers, whose memory grows with what there is to remember.

    As torch's `AveragedModel`, with the same state, but without looking for all tensors at every step.

    Parameters
    ----------
    network : nn.Module
        Which must keep its tensors: its weights may change, not be replaced.
    decay : float
        The largest there is; after n updates it is (1 + n) / (10 + n) at most.

    Attributes
    ----------
    module : nn.Module
        The average.
    """

    n_averaged: Tensor

    def __init__(self, network: nn.Module, decay: float) -> None:
        super().__init__()
        self.module = copy.deepcopy(network)
        self.decay = decay
        self.register_buffer("n_averaged", torch.tensor(0))
        pairs = list(zip(_tensors(self.module), _tensors(network), strict=True))
        self._means = [pair for pair in pairs if pair[0].is_floating_point()]
        self._counts = [pair for pair in pairs if not pair[0].is_floating_point()]

    @torch.no_grad()
    def update(self) -> None:
        """Move towards what the network is now."""
        count = int(self.n_averaged)
        weight = 1 - min(self.decay, (1 + count) / (10 + count)) if count else 1.0
        averaged, current = ([pair[side] for pair in self._means] for side in (0, 1))
        torch._foreach_lerp_(averaged, current, weight)
        for old, new in self._counts:
            old.copy_(new)
        self.n_averaged += 1


def _tensors(network: nn.Module) -> Iterator[Tensor]:
    for tensor in (*network.parameters(), *network.buffers()):
        yield tensor.detach()
