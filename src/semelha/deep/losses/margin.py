"""Margin loss: a boundary that positives should lie within and negatives beyond."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from semelha.deep.losses.masks import counts, weighted
from semelha.deep.losses.mining import DistanceWeighted, Mining
from semelha.deep.losses.pair_loss import PairLoss
from semelha.deep.losses.pairs import Pairs
from semelha.deep.metric_layer import MetricLayer
from semelha.metrics import Euclidean, Metric


class MarginLoss(PairLoss):
    """Margin loss (Wu et al., ICCV 2017, equation 5), with their distance-weighted negatives.

    Sum of [d_ap − β + α]₊ + [β − d_an + α]₊ over the triplets (a, p, n) of the chosen pairs, divided by the number of
    these brackets that are not 0; plus ν · β where β is learned. As each bracket has but one pair, the sum over
    triplets is one over pairs, each as often as its anchor has partners for it: O(batch²).

    Parameters
    ----------
    margin : float
        α.
    beta : float
        The boundary, or where it begins.
    classes : int, optional
        Learn a β for each class.
    nu : float
        ν, with which a learned β is kept small.
    metric : Metric or MetricLayer, optional
        Euclidean where not given.
    mining : Mining, optional
        `DistanceWeighted()` where not given.
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

    def of(self, pairs: Pairs) -> Tensor:
        pairs = self.mining.pairs(pairs)
        beta = self.beta[pairs.labels][:, None] if isinstance(self.beta, Tensor) else self.beta  # (anchors, 1)
        distance = pairs.distance.detach()
        apart = pairs.positive & (distance > beta - self.margin)  # (anchors, references)
        close = pairs.negative & (distance < beta + self.margin)
        negatives, positives, aparts, closes = (
            counts(mask)[:, None].to(distance.dtype) for mask in (pairs.negative, pairs.positive, apart, close)
        )  # (anchors, 1) each
        # Where it is not 0, a bracket is linear: the sum of all of them is one of distances with weights.
        weights = torch.where(apart, negatives, 0.0).sub_(torch.where(close, positives, 0.0))
        beyond, within = aparts * negatives, closes * positives
        count = (beyond + within).sum()
        total = weighted(weights, pairs.distance) + (beta * (within - beyond)).sum() + self.margin * count
        if isinstance(beta, Tensor):
            total = total + self.nu * (beta * positives * negatives).sum()
        return total / count.clamp(min=1)
