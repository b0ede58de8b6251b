"""Triplet loss, over all triplets or those that a mining chooses.

No triplet is ever formed. Where the hinge [d(a, p) − d(a, n) + margin]₊ is not 0 it is linear, so that its
sum over the chosen triplets is Σ w(i, j) d(i, j) + margin · (their number), w(i, j) being the number of them
in which (i, j) is the positive pair, less the number in which it is the negative one. Sorting counts them:
O(batch² log batch) time and O(batch²) memory, for batch³ triplets.

The soft margin is no such sum. It takes the positives of all anchors one after another: O(batch² · positives) time.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from semelha.deep.losses.masks import slots, weighted
from semelha.deep.losses.mining import Mining, SemiHard
from semelha.deep.losses.pairs import PairLoss, Pairs
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
        super().__init__()
        if margin is not None and margin <= 0:
            raise UsageError(f"the margin of a triplet loss is {margin}: it must be above 0, or None for a soft one")
        self.margin = margin
        self.metric = metric or Euclidean()
        self.mining = mining or SemiHard()

    def of(self, pairs: Pairs) -> Tensor:
        if self.margin is None:
            return self._soft(self.mining.pairs(pairs))
        return mean_hinge(self.mining.triplets(pairs, self.margin), pairs, self.margin)

    def _soft(self, pairs: Pairs) -> Tensor:
        distance = pairs.distance
        places, there = slots(pairs.positive)  # (anchors, most)
        total, count = distance[:0].sum(), torch.zeros((), dtype=torch.int64, device=distance.device)
        for place, real in zip(places.T, there.T, strict=True):
            # What a positive needs for its gradient is made again when it is asked for, lest all of it be kept.
            part, number = checkpoint(
                self._of_one, distance, pairs.negative, place, real, use_reentrant=False, preserve_rng_state=False
            )
            total, count = total + part, count + number
        return total / count.clamp(min=1)

    def _of_one(self, distance: Tensor, negative: Tensor, place: Tensor, real: Tensor) -> tuple[Tensor, Tensor]:
        """Sum over the triplets with one positive of each anchor, its place (anchors,), if it is real; their number."""
        ahead = distance - distance.gather(1, place[:, None])  # d(a, n) − d(a, p), (anchors, references)
        taken = negative & real[:, None] & self.mining.takes(ahead.detach())
        return torch.where(taken, F.softplus(-ahead), 0.0).sum(), taken.sum()


def mean_hinge(weights: Tensor, pairs: Pairs, margin: float) -> Tensor:
    """Mean over the counted triplets of d(a, p) − d(a, n) + margin; 0 where there are none. Weights as by `Mining`."""
    count = torch.where(pairs.positive, weights, 0).sum()
    return (weighted(weights, pairs.distance) + margin * count) / count.clamp(min=1)
