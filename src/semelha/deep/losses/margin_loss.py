"""Margin loss: a boundary β, with positives nearer than β − α and negatives farther than β + α."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from semelha.deep.losses.masked import dot, row_counts
from semelha.deep.losses.mining import DistanceWeighted, Mining
from semelha.deep.losses.pair_loss import PairLoss
from semelha.deep.losses.pairs import Pairs
from semelha.deep.metric_layer import MetricLayer
from semelha.metrics import Euclidean, Metric


class MarginLoss(PairLoss):
    """Margin loss (Wu et al., ICCV 2017, equation 5), with distance-weighted negatives.

    Sum of [d_ap − β + α]₊ + [β − d_an + α]₊ over the triplets (a, p, n) of the chosen pairs, divided by the number of
    hinges that are not 0; plus ν · β if β is learned. Each hinge has one pair, so that the sum over triplets is a sum
    over pairs, each weighted by the number of triplets it is in: O(batch²).

    Parameters
    ----------
    margin : float
        α.
    beta : float
        β, or its initial value if it is learned.
    classes : int, optional
        Number of classes, to learn a β for each class.
    nu : float
        ν, the regularization of a learned β.
    metric : Metric or MetricLayer, optional
        Euclidean by default.
    mining : Mining, optional
        `DistanceWeighted()` by default.
    """

    def __init__(
        self,
        *,
        margin: float = 0.2,
        beta: float = 1.2,
        classes: int | None = None,
        nu: float = 0.0,
        metric: Metric | MetricLayer | None = None,
        mining: Mining | None = None,
    ) -> None:
        super().__init__(metric or Euclidean(), mining or DistanceWeighted())
        self.margin = margin
        self.nu = nu
        self.beta = beta if classes is None else nn.Parameter(torch.full((classes,), beta))

    def of_pairs(self, pairs: Pairs) -> Tensor:
        pairs = self.mining.pairs(pairs)
        beta = self.beta[pairs.labels][:, None] if isinstance(self.beta, Tensor) else self.beta  # (anchors, 1)
        distance = pairs.distance.detach()
        far = pairs.positive & (distance > beta - self.margin)  # (anchors, references)
        near = pairs.negative & (distance < beta + self.margin)
        negatives, positives, far_count, near_count = (
            row_counts(mask)[:, None].to(distance.dtype) for mask in (pairs.negative, pairs.positive, far, near)
        )  # (anchors, 1) each
        # An active hinge is linear: the sum of all of them is a weighted sum of distances.
        weights = torch.where(far, negatives, 0.0).sub_(torch.where(near, positives, 0.0))
        far_hinges, near_hinges = far_count * negatives, near_count * positives
        count = (far_hinges + near_hinges).sum()
        total = dot(weights, pairs.distance) + (beta * (near_hinges - far_hinges)).sum() + self.margin * count
        if isinstance(beta, Tensor):
            total = total + self.nu * (beta * positives * negatives).sum()
        return total / count.clamp(min=1)
