"""Projectors: from the vectors of a network to those that are compared while it learns, and not kept."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn


def projector(widths: Sequence[int], *, norm: bool, last_norm: bool = False) -> nn.Sequential:
    """Linear layers with ReLU between them.

    Parameters
    ----------
    widths : sequence of int
        Length of the vectors before, between and after the layers.
    norm : bool
        Batch normalization after every layer but the last; such layers have no bias.
    last_norm : bool
        After the last one too, without scale and shift, and without a ReLU.
    """
    layers: list[nn.Module] = []
    last = len(widths) - 2
    for number, (before, after) in enumerate(pairwise(widths)):
        normed = norm if number < last else last_norm
        layers.append(nn.Linear(before, after, bias=not normed))
        if normed:
            layers.append(nn.BatchNorm1d(after, affine=number < last))
        if number < last:
            layers.append(nn.ReLU())
    return nn.Sequential(*layers)


class Continued(nn.Module):
    """A network, and what goes on from it in float32: (batch, …) → (batch, width)."""

    def __init__(self, network: nn.Module, after: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.after = after

    def forward(self, pixels: Tensor) -> Tensor:
        vectors = self.network(pixels)
        with torch.autocast(vectors.device.type, enabled=False):
            out: Tensor = self.after(vectors)
        return out
