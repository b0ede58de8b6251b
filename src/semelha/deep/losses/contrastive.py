"""Contrastive loss: positives nearer than one margin, negatives farther than another."""

from __future__ import annotations

import torch
from torch import Tensor

from semelha.deep.losses.masked import dot, row_counts
from semelha.deep.losses.mining import Mining
from semelha.deep.losses.pair_loss import PairLoss
from semelha.deep.losses.pairs import Pairs
from semelha.deep.metric_layer import MetricLayer
from semelha.metrics import Euclidean, Metric


class Contrastive(PairLoss):
    """Contrastive loss (Hadsell, Chopra & LeCun, CVPR 2006, equation 4, without the squares).

    Mean of [d − m₊]₊ over the positive pairs plus mean of [m₋ − d]₊ over the negative pairs. Each mean is over the
    pairs for which the hinge is not 0.

    Parameters
    ----------
    positive_margin, negative_margin : float
        m₊ and m₋. Euclidean distances of unit vectors lie between 0 and 2.
    metric : Metric or MetricLayer, optional
        d; Euclidean by default.
    mining : Mining, optional
        All pairs by default.
    """

    def __init__(
        self,
        *,
        positive_margin: float = 0.0,
        negative_margin: float = 1.0,
        metric: Metric | MetricLayer | None = None,
        mining: Mining | None = None,
    ) -> None:
        super().__init__(metric or Euclidean(), mining)
        self.positive_margin = positive_margin
        self.negative_margin = negative_margin

    def of_pairs(self, pairs: Pairs) -> Tensor:
        pairs = self.mining.pairs(pairs)
        distance = pairs.distance.detach()
        far = pairs.positive & (distance > self.positive_margin)
        near = pairs.negative & (distance < self.negative_margin)
        far_count, near_count = (row_counts(active).sum().to(distance.dtype) for active in (far, near))
        # An active hinge is linear: the sum of all of them is a weighted sum of distances.
        weights = torch.where(far, 1 / far_count, 0.0).sub_(torch.where(near, 1 / near_count, 0.0))
        margins = self.negative_margin * near_count.clamp(max=1) - self.positive_margin * far_count.clamp(max=1)
        return dot(weights, pairs.distance) + margins
