"""Contrastive loss on pairs."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from semelha.deep.losses.distances import distances
from semelha.deep.losses.masks import positives_and_negatives


class Contrastive(nn.Module):
    """Contrastive loss (Hadsell, Chopra & LeCun, CVPR 2006), with Euclidean distances and without squares.

    Mean over the positive pairs of [d − m₊]₊ plus mean over the negative pairs of [m₋ − d]₊, each over the pairs for
    which it is not 0. Embeddings (batch, dim) are put on the unit sphere here, where distances lie in 0..2.

    Parameters
    ----------
    positive_margin, negative_margin : float
        m₊ and m₋.
    """

    def __init__(self, *, positive_margin: float = 0.0, negative_margin: float = 1.0) -> None:
        super().__init__()
        self.positive_margin = positive_margin
        self.negative_margin = negative_margin

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        distance = distances(embeddings)  # (batch, batch)
        positive, negative = positives_and_negatives(labels)
        near = F.relu(distance - self.positive_margin) * positive
        far = F.relu(self.negative_margin - distance) * negative
        return mean_of_active(near) + mean_of_active(far)


def mean_of_active(values: Tensor) -> Tensor:
    """Mean of the values that are not 0; 0 where all are."""
    return values.sum() / (values > 0).sum().clamp(min=1)
