"""Quadruplet loss: a triplet loss, plus positive pairs against negative pairs of two other classes.

No quadruplet is formed. The negative pairs are sorted once, and once more within each class. So each positive pair of
class c gets its number of negative pairs within reach, minus those with a picture of class c; and each negative pair
likewise. O(batch² log batch) time for batch⁴ quadruplets.
"""

from __future__ import annotations

import torch
from torch import Tensor

from semelha.deep.losses.mining import Mining
from semelha.deep.losses.pair_loss import PairLoss
from semelha.deep.losses.pairs import Pairs
from semelha.deep.losses.triplet import mean_hinge
from semelha.deep.metric_layer import MetricLayer
from semelha.errors import UsageError
from semelha.metrics import Euclidean, Metric


class Quadruplet(PairLoss):
    """Quadruplet loss (Chen et al., CVPR 2017, equation 6, without the squares).

    Mean of [d(i, j) − d(i, k) + α₁]₊ over triplets, plus mean of [d(i, j) − d(l, k) + α₂]₊ over positive pairs (i, j)
    and negative pairs (l, k) without a picture of the class of i. Each mean is over the hinges that are not 0.

    Parameters
    ----------
    margin, other_margin : float
        α₁ and α₂, above 0; the paper has α₂ < α₁.
    metric : Metric or MetricLayer, optional
        d; Euclidean by default.
    mining : Mining, optional
        All pairs by default. The quadruplets consist of the pairs that it chooses.

    Raises
    ------
    UsageError
        A margin is 0 or below.
    """

    def __init__(
        self,
        *,
        margin: float = 0.2,
        other_margin: float = 0.1,
        metric: Metric | MetricLayer | None = None,
        mining: Mining | None = None,
    ) -> None:
        super().__init__(metric or Euclidean(), mining)
        if margin <= 0 or other_margin <= 0:
            raise UsageError(f"margin is {margin} and other_margin is {other_margin}: both must be above 0")
        self.margin = margin
        self.other_margin = other_margin

    def of_pairs(self, pairs: Pairs) -> Tensor:
        triplets = mean_hinge(self.mining.triplets(pairs, self.margin), pairs, self.margin)
        pairs = self.mining.pairs(pairs)
        return triplets + mean_hinge(count_quadruplets(self.other_margin, pairs), pairs, self.other_margin)


@torch.no_grad()
def count_quadruplets(reach: float, pairs: Pairs) -> Tensor:
    """Count for each pair the quadruplets with d(l, k) − reach < d(i, j) it is positive in, minus those negative in.

    Returns (anchors, references), whole numbers in the dtype of the distances.
    """
    distance = pairs.distance.detach()
    counts = torch.zeros_like(distance)
    i, j = pairs.positive.nonzero(as_tuple=True)
    row, column = pairs.negative.nonzero(as_tuple=True)
    far, near = distance[i, j], distance[row, column] - reach
    _, classes = torch.unique(torch.cat([pairs.labels, pairs.reference_labels]), return_inverse=True)
    of_rows, of_columns = classes[: len(pairs.labels)], classes[len(pairs.labels) :]
    of_anchor, of_row, of_column = of_rows[i], of_rows[row], of_columns[column]

    # Ranks replace the values: a class and a rank make one whole number to sort by.
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
    counts[i, j] = in_reach.to(counts.dtype)
    counts[row, column] = -reached.to(counts.dtype)
    return counts


def _of_class(side: Tensor, near: Tensor, of_anchor: Tensor, far: Tensor, base: int) -> Tensor:
    """Count for each positive the negatives below it with a picture of its class on that side: (positives,)."""
    keys = (side * base + near).sort().values
    return _below(keys, of_anchor * base + far) - _below(keys, of_anchor * base)


def _below(ascending: Tensor, values: Tensor) -> Tensor:
    """Count the sorted numbers below each value."""
    return torch.searchsorted(ascending, values)
