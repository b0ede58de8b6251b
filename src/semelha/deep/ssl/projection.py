"""Projectors: layers after a network that are trained with it and not kept."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn


def mlp(widths: Sequence[int], *, norm: bool, last_norm: bool = False) -> nn.Sequential:
    """Build linear layers with ReLU between them.

    Parameters
    ----------
    widths : sequence of int
        Length of the vectors before, between and after the layers.
    norm : bool
        Batch normalization after every layer but the last; these layers have no bias.
    last_norm : bool
        Batch normalization after the last layer too, without scale, shift and ReLU.
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


class WithProjector(nn.Module):
    """A network followed by a projector in float32: (batch, …) → (batch, width)."""

    def __init__(self, network: nn.Module, projector: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.after = projector

    def forward(self, pixels: Tensor) -> Tensor:
        vectors = self.network(pixels)
        with torch.autocast(vectors.device.type, enabled=False):
            out: Tensor = self.after(vectors)
        return out
