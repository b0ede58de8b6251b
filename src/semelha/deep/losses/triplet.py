"""Triplet loss, over all triplets or those that a mining chooses.

No triplet is ever formed. Where the hinge [d(a, p) − d(a, n) + margin]₊ is not 0 it is linear, so that its
sum over the chosen triplets is Σ w(i, j) d(i, j) + margin · (their number), w(i, j) being the number of them
in which (i, j) is the positive pair, less the number in which it is the negative one. Sorting counts them:
O(batch² log batch) time and O(batch²) memory, for batch³ triplets.

The soft margin is no such sum. It takes some anchors at a time: O(batch² · positives) time.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from semelha.deep.losses.blocks import by_rows
from semelha.deep.losses.masks import slots, weighted
from semelha.deep.losses.mining import Mining, SemiHard
from semelha.deep.losses.pair_loss import PairLoss
from semelha.deep.losses.pairs import Pairs
from semelha.deep.metric_layer import MetricLayer
from semelha.errors import UsageError
from semelha.metrics import Euclidean, Metric


class Triplet(PairLoss):
    """Triplet loss: mean of [d(a, p) − d(a, n) + margin]₊ over the chosen triplets for which it is not 0.

    As Schroff et al. (CVPR 2015, equation 3), without the squares. With a soft margin, the mean of
    ln(1 + exp(d(a, p) − d(a, n))) over the chosen triplets (Hermans, Beyer & Leibe, 2017, section 2), which goes on
    pulling together where a hinge is satisfied.

    Parameters
    ----------
    margin : float or None
        Above 0; None for the soft margin.
    metric : Metric or MetricLayer, optional
        d; Euclidean where not given.
    mining : Mining, optional
        Semi-hard where not given.
    """

    def __init__(
        self, *, margin: float | None = 0.2, metric: Metric | MetricLayer | None = None, mining: Mining | None = None
    ) -> None:
        super().__init__(metric or Euclidean(), mining or SemiHard())
        if margin is not None and margin <= 0:
            raise UsageError(f"the margin of a triplet loss is {margin}: it must be above 0, or None for a soft one")
        self.margin = margin

    def of(self, pairs: Pairs) -> Tensor:
        if self.margin is None:
            return self._soft(self.mining.pairs(pairs))
        return mean_hinge(self.mining.triplets(pairs, self.margin), pairs, self.margin)

    def _soft(self, pairs: Pairs) -> Tensor:
        places, there = slots(pairs.positive)  # (anchors, most)
        most = places.shape[1]
        found = by_rows(self._soft_of, pairs.distance, pairs.negative, places, there, copies=most)  # (anchors, 2)
        return found[:, 0].sum() / found[:, 1].sum().clamp(min=1)

    def _soft_of(self, distance: Tensor, negative: Tensor, places: Tensor, there: Tensor) -> Tensor:
        """Sum over the triplets of each anchor, and their number: (rows, 2)."""
        ahead = distance[:, None] - distance.gather(1, places)[:, :, None]  # d(a, n) − d(a, p): (rows, most, columns)
        taken = negative[:, None] & there[:, :, None] & self.mining.takes(ahead.detach())
        total = torch.where(taken, F.softplus(-ahead), 0.0).sum(dim=(1, 2))
        return torch.stack([total, taken.sum(dim=(1, 2)).to(total.dtype)], dim=1)


def mean_hinge(weights: Tensor, pairs: Pairs, margin: float) -> Tensor:
    """Mean over the counted triplets of d(a, p) − d(a, n) + margin; 0 where there are none. Weights as by `Mining`."""
    count = torch.where(pairs.positive, weights, 0).sum()
    return (weighted(weights, pairs.distance) + margin * count) / count.clamp(min=1)
