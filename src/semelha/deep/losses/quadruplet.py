"""Quadruplet loss: a triplet loss, and positives against negative pairs of other classes altogether.

Nothing is listed here either. All negative pairs are sorted once, and once more class by class; a positive pair of
class c then knows how many are within its reach, less those that have a picture of class c. The other way round for a
negative pair. O(batch² log batch) time for batch⁴ quadruplets.
"""

from __future__ import annotations

import torch
from torch import Tensor

from semelha.deep.losses.mining import AllPairs, Mining
from semelha.deep.losses.pair_loss import PairLoss
from semelha.deep.losses.pairs import Pairs
from semelha.deep.losses.triplet import mean_hinge
from semelha.deep.metric_layer import MetricLayer
from semelha.errors import UsageError
from semelha.metrics import Euclidean, Metric


class Quadruplet(PairLoss):
    """Quadruplet loss (Chen et al., CVPR 2017, equation 6, without the squares).

    Mean of [d(i, j) − d(i, k) + α₁]₊ over triplets, plus mean of [d(i, j) − d(l, k) + α₂]₊ over a positive pair (i, j)
    and a negative pair (l, k), neither of whose pictures is of the class of i; each over those for which it is not 0.

    Parameters
    ----------
    margin, other_margin : float
        α₁ and α₂, above 0; the second is meant to be the smaller.
    metric : Metric or MetricLayer, optional
        d; Euclidean where not given.
    mining : Mining, optional
        All pairs where not given. The quadruplets are of the pairs that it chooses.
    """

    def __init__(
        self,
        *,
        margin: float = 0.2,
        other_margin: float = 0.1,
        metric: Metric | MetricLayer | None = None,
        mining: Mining | None = None,
    ) -> None:
        super().__init__(metric or Euclidean(), mining or AllPairs())
        if margin <= 0 or other_margin <= 0:
            raise UsageError(f"the margins of a quadruplet loss are {margin} and {other_margin}: they must be above 0")
        self.margin = margin
        self.other_margin = other_margin

    def of(self, pairs: Pairs) -> Tensor:
        triplets = mean_hinge(self.mining.triplets(pairs, self.margin), pairs, self.margin)
        pairs = self.mining.pairs(pairs)
        return triplets + mean_hinge(quadruplets_within(self.other_margin, pairs), pairs, self.other_margin)


@torch.no_grad()
def quadruplets_within(reach: float, pairs: Pairs) -> Tensor:
    """How often each pair is the positive of a quadruplet with d(l, k) − reach < d(i, j), less how often its negative.

    (anchors, references), whole numbers in the precision of the distances.
    """
    distance = pairs.distance.detach()
    weights = torch.zeros_like(distance)
    i, j = pairs.positive.nonzero(as_tuple=True)
    row, column = pairs.negative.nonzero(as_tuple=True)
    far, near = distance[i, j], distance[row, column] - reach
    _, classes = torch.unique(torch.cat([pairs.labels, pairs.reference_labels]), return_inverse=True)
    of_rows, of_columns = classes[: len(pairs.labels)], classes[len(pairs.labels) :]
    of_anchor, of_row, of_column = of_rows[i], of_rows[row], of_columns[column]

    # Values become ranks among all of both kinds: a class and a rank then make one whole number to sort by.
    values = torch.unique(torch.cat([far, near]))
    far, near, base = torch.searchsorted(values, far), torch.searchsorted(values, near), len(values)
    positives = far.sort().values
    in_reach = _below(near.sort().values, far)  # negatives of each positive
    reached = len(far) - _below(positives, near + 1)  # positives of each negative: those with a larger rank
    labelled = (of_anchor * base + far).sort().values
    for side in (of_row, of_column):
        in_reach -= _of_class(side, near, of_anchor, far, base)
        start, end = _below(labelled, side * base + near + 1), _below(labelled, (side + 1) * base)
        reached -= end - start
    weights[i, j] = in_reach.to(weights.dtype)
    weights[row, column] = -reached.to(weights.dtype)
    return weights


def _of_class(side: Tensor, near: Tensor, of_anchor: Tensor, far: Tensor, base: int) -> Tensor:
    """For each positive, how many negatives with a picture of its class on that side are below it: (positives,)."""
    keys = (side * base + near).sort().values
    return _below(keys, of_anchor * base + far) - _below(keys, of_anchor * base)


def _below(ascending: Tensor, values: Tensor) -> Tensor:
    """How many of the sorted numbers are below each value."""
    return torch.searchsorted(ascending, values)
