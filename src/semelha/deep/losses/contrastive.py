"""Contrastive loss on pairs."""

from __future__ import annotations

import torch
from torch import Tensor

from semelha.deep.losses.masks import counts, weighted
from semelha.deep.losses.mining import AllPairs, Mining
from semelha.deep.losses.pair_loss import PairLoss
from semelha.deep.losses.pairs import Pairs
from semelha.deep.metric_layer import MetricLayer
from semelha.metrics import Euclidean, Metric


class Contrastive(PairLoss):
    """Contrastive loss (Hadsell, Chopra & LeCun, CVPR 2006, equation 4, without the squares).

    Mean over the positive pairs of [d − m₊]₊ plus mean over the negative pairs of [m₋ − d]₊, each over the
    pairs for which it is not 0.

    Parameters
    ----------
    positive_margin, negative_margin : float
        m₊ and m₋. Euclidean distances on the sphere lie between 0 and 2.
    metric : Metric or MetricLayer, optional
        d; Euclidean where not given.
    mining : Mining, optional
        All pairs where not given.
    """

    def __init__(
        self,
        *,
        positive_margin: float = 0.0,
        negative_margin: float = 1.0,
        metric: Metric | MetricLayer | None = None,
        mining: Mining | None = None,
    ) -> None:
        super().__init__(metric or Euclidean(), mining or AllPairs())
        self.positive_margin = positive_margin
        self.negative_margin = negative_margin

    def of(self, pairs: Pairs) -> Tensor:
        pairs = self.mining.pairs(pairs)
        distance = pairs.distance.detach()
        apart = pairs.positive & (distance > self.positive_margin)
        close = pairs.negative & (distance < self.negative_margin)
        parts, nears = (counts(active).sum().to(distance.dtype) for active in (apart, close))
        # Where it is not 0, a hinge is linear: the sum of all of them is one of distances with weights.
        weights = torch.where(apart, 1 / parts, 0.0).sub_(torch.where(close, 1 / nears, 0.0))
        margins = self.negative_margin * nears.clamp(max=1) - self.positive_margin * parts.clamp(max=1)
        return weighted(weights, pairs.distance) + margins
