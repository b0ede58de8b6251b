"""Several losses as one."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn


class WeightedSum(nn.Module):
    """The sum of losses of (embeddings, labels), such as one of pairs and one of proxies.

    Parameters
    ----------
    losses : nn.Module
        One or more; none raises `ValueError`.
    weights : sequence of float, optional
        What each is multiplied by; 1 where not given. Another number of them raises `ValueError`.
    """

    def __init__(self, *losses: nn.Module, weights: Sequence[float] | None = None) -> None:
        super().__init__()
        if not losses:
            raise ValueError("a sum of losses needs one loss or more")
        self.losses = nn.ModuleList(losses)
        self.weights = tuple(weights or [1.0] * len(losses))
        if len(self.weights) != len(losses):
            raise ValueError(f"there are {len(losses)} losses and {len(self.weights)} weights")

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        total = embeddings.new_zeros(())
        for weight, loss in zip(self.weights, self.losses, strict=True):
            total = total + weight * loss(embeddings, labels)
        return total
