"""Triplet loss, over all triplets, the semi-hard ones or the hardest."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from semelha.deep.losses.distances import distances
from semelha.deep.losses.masks import positives_and_negatives

CHUNK = 2**22  # numbers held at a time when all triplets are formed


class Mining(ABC):
    """Which triplets count."""

    @abstractmethod
    def loss(
        self, distance: Tensor, positive: Tensor, negative: Tensor, margin: float
    ) -> tuple[Tensor, Tensor]:
        """Sum of the hinges over the chosen triplets and their number; arguments are (batch, batch)."""


class All(Mining):
    """Every triplet whose hinge is not 0."""

    def loss(
        self, distance: Tensor, positive: Tensor, negative: Tensor, margin: float
    ) -> tuple[Tensor, Tensor]:
        return _every_triplet(distance, positive, negative, margin, semi_hard=False)


class SemiHard(Mining):
    """Triplets whose negative is farther than the positive, but by less than the margin (Schroff et al., CVPR 2015)."""

    def loss(
        self, distance: Tensor, positive: Tensor, negative: Tensor, margin: float
    ) -> tuple[Tensor, Tensor]:
        return _every_triplet(distance, positive, negative, margin, semi_hard=True)


class Hard(Mining):
    """For each anchor its farthest positive and its nearest negative (Hermans et al., 2017, "batch hard")."""

    def loss(
        self, distance: Tensor, positive: Tensor, negative: Tensor, margin: float
    ) -> tuple[Tensor, Tensor]:
        farthest = torch.where(positive, distance, -torch.inf).amax(dim=1)  # (batch,)
        nearest = torch.where(negative, distance, torch.inf).amin(dim=1)  # (batch,)
        valid = positive.any(dim=1) & negative.any(dim=1)
        hinge = F.relu(torch.where(valid, farthest - nearest, 0.0) + margin) * valid
        return hinge.sum(), (hinge > 0).sum()


class Triplet(nn.Module):
    """Triplet loss: mean of [d(a, p) − d(a, n) + margin]₊ over the chosen triplets for which it is not 0.

    Embeddings (batch, dim) are put on the unit sphere here; distances are Euclidean (Schroff et al., CVPR 2015, without
    the squares). Triplets are formed a few anchors at a time: memory stays O(batch²).

    Parameters
    ----------
    margin : float
    mining : Mining
        `All()`, `SemiHard()` or `Hard()`.
    """

    def __init__(self, *, margin: float = 0.2, mining: Mining | None = None) -> None:
        super().__init__()
        self.margin = margin
        self.mining = mining or SemiHard()

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        distance = distances(embeddings)
        total, count = self.mining.loss(distance, *positives_and_negatives(labels), self.margin)
        return total / count.clamp(min=1)


def _every_triplet(
    distance: Tensor, positive: Tensor, negative: Tensor, margin: float, *, semi_hard: bool
) -> tuple[Tensor, Tensor]:
    anchor, other = positive.nonzero(as_tuple=True)  # (pairs,), one row a positive pair
    total, count = distance.sum() * 0, torch.zeros((), dtype=torch.long, device=distance.device)
    step = max(1, CHUNK // len(distance))
    for start in range(0, len(anchor), step):
        a, p = anchor[start : start + step], other[start : start + step]
        ahead = distance[a] - distance[a, p].unsqueeze(1)  # (pairs, batch): how much farther each negative is
        chosen = negative[a] & (ahead > 0) if semi_hard else negative[a]
        hinge = F.relu(margin - ahead) * chosen
        total, count = total + hinge.sum(), count + (hinge > 0).sum()
    return total, count
