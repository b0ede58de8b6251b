"""Several losses as one."""

from __future__ import annotations

from torch import Tensor, nn


class Together(nn.Module):
    """The sum of losses of (embeddings, labels), such as one of pairs and one of proxies.

    Parameters
    ----------
    losses : nn.Module
        One or more; none raises `ValueError`.
    """

    def __init__(self, *losses: nn.Module) -> None:
        super().__init__()
        if not losses:
            raise ValueError("a sum of losses needs one loss or more")
        self.losses = nn.ModuleList(losses)

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        total = embeddings.new_zeros(())
        for loss in self.losses:
            total = total + loss(embeddings, labels)
        return total
