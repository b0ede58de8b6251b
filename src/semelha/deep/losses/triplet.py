"""Triplet loss, over all triplets or those that a mining chooses.

No triplet is ever formed. Where the hinge [d(a, p) − d(a, n) + margin]₊ is not 0 it is linear, so that its
sum over the chosen triplets is Σ w(i, j) d(i, j) + margin · (their number), w(i, j) being the number of them
in which (i, j) is the positive pair, less the number in which it is the negative one. Sorting the rows of the
distance matrix counts them: O(batch² log batch) time and O(batch²) memory, for batch³ triplets.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from semelha.deep.losses.masks import positives_and_negatives
from semelha.deep.losses.sphere import distances
from semelha.errors import UsageError
from semelha.metrics import Euclidean, Metric


class Mining(ABC):
    """Which of the triplets with a hinge above 0 count."""

    @abstractmethod
    def weights(self, distance: Tensor, positive: Tensor, negative: Tensor, margin: float) -> Tensor:
        """w, int64, from distances, positives and negatives; each (batch, batch)."""


@dataclass(frozen=True)
class All(Mining):
    """All."""

    def weights(self, distance: Tensor, positive: Tensor, negative: Tensor, margin: float) -> Tensor:
        return _within(margin, distance, positive, negative)


@dataclass(frozen=True)
class SemiHard(Mining):
    """Those whose negative is farther away than the positive (Schroff et al., CVPR 2015, eq. 4)."""

    def weights(self, distance: Tensor, positive: Tensor, negative: Tensor, margin: float) -> Tensor:
        every = _within(margin, distance, positive, negative)
        return every - _within(0, distance, positive, negative, ties=True)


@dataclass(frozen=True)
class Hard(Mining):
    """Those whose negative is no farther from the anchor than the positive."""

    def weights(self, distance: Tensor, positive: Tensor, negative: Tensor, margin: float) -> Tensor:
        return _within(0, distance, positive, negative, ties=True)


@dataclass(frozen=True)
class BatchHard(Mining):
    """For each anchor its farthest positive and its nearest negative (Hermans et al., 2017, equation 5)."""

    def weights(self, distance: Tensor, positive: Tensor, negative: Tensor, margin: float) -> Tensor:
        farthest, p = torch.where(positive, distance, -torch.inf).max(dim=1)  # (batch,)
        nearest, n = torch.where(negative, distance, torch.inf).min(dim=1)  # (batch,)
        active = nearest < farthest + margin  # false where the anchor lacks one or the other
        pair = F.one_hot(p, len(distance)) - F.one_hot(n, len(distance))  # (batch, batch)
        return pair * active[:, None]


class Triplet(nn.Module):
    """Triplet loss: mean of [d(a, p) − d(a, n) + margin]₊ over the chosen triplets for which it is not 0.

    As Schroff et al. (CVPR 2015, equation 3), without the squares. Embeddings (batch, dim) of any length are
    put on the unit sphere here; labels (batch,) int64.

    Parameters
    ----------
    margin : float
        Above 0.
    mining : Mining, optional
        `All()`, `SemiHard()`, `Hard()` or `BatchHard()`; semi-hard where not given.
    metric : Metric, optional
        d; Euclidean where not given.
    """

    def __init__(self, *, margin: float = 0.2, mining: Mining | None = None, metric: Metric | None = None) -> None:
        super().__init__()
        if margin <= 0:
            raise UsageError(f"the margin of a triplet loss is {margin}: it must be above 0")
        self.margin = margin
        self.mining = mining or SemiHard()
        self.metric = metric or Euclidean()

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        distance = distances(embeddings, self.metric)  # (batch, batch)
        positive, negative = positives_and_negatives(labels)
        weights = self.mining.weights(distance.detach(), positive, negative, self.margin)  # (batch, batch)
        count = torch.where(positive, weights, 0).sum()
        return ((weights * distance).sum() + self.margin * count) / count.clamp(min=1)


def _within(reach: float, distance: Tensor, positive: Tensor, negative: Tensor, *, ties: bool = False) -> Tensor:
    """w of the triplets with d(a, n) − reach < d(a, p), or ≤ with `ties`."""
    near, far = (distance - reach).contiguous(), distance.contiguous()
    negatives = torch.where(negative, near, torch.inf).sort(dim=1).values
    positives = torch.where(positive, far, -torch.inf).sort(dim=1).values
    as_positive = torch.searchsorted(negatives, far, right=ties)  # negatives within reach of each d(a, p)
    out_of_reach = torch.searchsorted(positives, near, right=not ties)  # positives too near for each d(a, n)
    as_negative = len(distance) - out_of_reach
    return torch.where(positive, as_positive, 0) - torch.where(negative, as_negative, 0)
