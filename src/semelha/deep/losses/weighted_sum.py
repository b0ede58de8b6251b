"""The weighted sum of several losses."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from semelha.errors import UsageError


class WeightedSum(nn.Module):
    """The weighted sum of losses of (embeddings, labels), such as a loss of pairs and a loss of proxies.

    Parameters
    ----------
    losses : nn.Module
        At least one.
    weights : sequence of float, optional
        Weight of each loss; 1 by default.

    Raises
    ------
    UsageError
        No loss, or another number of weights than of losses.
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
