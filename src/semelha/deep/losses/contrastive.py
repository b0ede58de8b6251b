"""Contrastive loss on pairs."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from semelha.deep.losses.masks import positives_and_negatives
from semelha.deep.losses.sphere import distances
from semelha.metrics import Euclidean, Metric


class Contrastive(nn.Module):
    """Contrastive loss (Hadsell, Chopra & LeCun, CVPR 2006, equation 4, without the squares).

    Mean over the positive pairs of [d − m₊]₊ plus mean over the negative pairs of [m₋ − d]₊, each over the
    pairs for which it is not 0. Embeddings (batch, dim) of any length are put on the unit sphere here; labels
    (batch,) int64.

    Parameters
    ----------
    positive_margin, negative_margin : float
        m₊ and m₋. Euclidean distances on the sphere lie between 0 and 2.
    metric : Metric, optional
        d; Euclidean where not given.
    """

    def __init__(
        self, *, positive_margin: float = 0.0, negative_margin: float = 1.0, metric: Metric | None = None
    ) -> None:
        super().__init__()
        self.positive_margin = positive_margin
        self.negative_margin = negative_margin
        self.metric = metric or Euclidean()

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        distance = distances(embeddings, self.metric)  # (batch, batch)
        positive, negative = positives_and_negatives(labels)
        apart = F.relu(distance - self.positive_margin) * positive
        close = F.relu(self.negative_margin - distance) * negative
        return _mean_of_active(apart) + _mean_of_active(close)


def _mean_of_active(values: Tensor) -> Tensor:
    """Mean of the values that are not 0; 0 where all are."""
    return values.sum() / (values > 0).sum().clamp(min=1)
