"""Triplet and quadruplet losses over all triplets, or those that a mining chooses.

No triplet is formed. An active hinge [d(a, p) − d(a, n) + margin]₊ is linear, so that the sum over the chosen triplets
is Σ w(i, j) d(i, j) + margin · (their number), with w(i, j) the number of them in which (i, j) is the positive pair
minus the number in which it is the negative pair. Sorting counts them: O(batch² log batch) time and O(batch²) memory,
for batch³ triplets. Quadruplets are counted likewise: each positive pair of class c gets its number of negative pairs
within reach, minus those with a picture of class c. The soft margin takes O(batch² · positives) time, in chunks of
anchors.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from semelha.deep.losses.blockwise import apply_by_rows, dot, masked_columns
from semelha.deep.losses.distances import Pairs
from semelha.deep.losses.mining import Mining, SemiHard
from semelha.deep.losses.pair_loss import PairLoss
from semelha.deep.metric_layer import MetricLayer
from semelha.errors import UsageError
from semelha.metrics import Euclidean, Metric


class Triplet(PairLoss):
    """Triplet loss: mean of [d(a, p) − d(a, n) + margin]₊ over the chosen triplets for which it is not 0.

    As Schroff et al. (CVPR 2015, equation 3), without the squares. With a soft margin, the mean of ln(1 + exp(d(a, p) −
    d(a, n))) over the chosen triplets (Hermans, Beyer & Leibe, 2017, section 2), which keeps a gradient where a hinge
    is 0. Raises `UsageError` if the margin is 0 or below.

    Parameters
    ----------
    margin : float or None
        Above 0; None for the soft margin.
    metric : Metric or MetricLayer, optional
        d; Euclidean by default.
    mining : Mining, optional
        Semi-hard by default.
    """

    def __init__(
        self, *, margin: float | None = 0.2, metric: Metric | MetricLayer | None = None, mining: Mining | None = None
    ) -> None:
        super().__init__(metric or Euclidean(), mining or SemiHard())
        if margin is not None and margin <= 0:
            raise UsageError(f"margin is {margin}: it must be above 0, or None for a soft margin")
        self.margin = margin

    def of_pairs(self, pairs: Pairs) -> Tensor:
        if self.margin is None:
            return self._soft_margin(self.mining.pairs(pairs))
        return mean_hinge(self.mining.triplets(pairs, self.margin), pairs, self.margin)

    def _soft_margin(self, pairs: Pairs) -> Tensor:
        columns, filled = masked_columns(pairs.positive)  # (anchors, most)
        sums = apply_by_rows(
            self._sum_and_count, pairs.distance, pairs.negative, columns, filled, copies=columns.shape[1]
        )  # (anchors, 2)
        return sums[:, 0].sum() / sums[:, 1].sum().clamp(min=1)

    def _sum_and_count(self, distance: Tensor, negative: Tensor, columns: Tensor, filled: Tensor) -> Tensor:
        """Sum over the triplets of each anchor, and their number: (rows, 2)."""
        gap = distance[:, None] - distance.gather(1, columns)[:, :, None]  # d(a, n) − d(a, p): (rows, most, references)
        chosen = negative[:, None] & filled[:, :, None] & self.mining.takes(gap.detach())
        total = torch.where(chosen, F.softplus(-gap), 0.0).sum(dim=(1, 2))
        return torch.stack([total, chosen.sum(dim=(1, 2)).to(total.dtype)], dim=1)


def mean_hinge(counts: Tensor, pairs: Pairs, margin: float) -> Tensor:
    """Mean of d(a, p) − d(a, n) + margin over the triplets of `count_triplets`; 0 if there are none."""
    number = torch.where(pairs.positive, counts, 0).sum()
    return (dot(counts, pairs.distance) + margin * number) / number.clamp(min=1)


class Quadruplet(PairLoss):
    """Quadruplet loss (Chen et al., CVPR 2017, equation 6, without the squares).

    Mean of [d(i, j) − d(i, k) + α₁]₊ over triplets, plus mean of [d(i, j) − d(l, k) + α₂]₊ over positive pairs (i, j)
    and negative pairs (l, k) without a picture of the class of i. Each mean is over the hinges that are not 0. Raises
    `UsageError` if a margin is 0 or below.

    Parameters
    ----------
    margin, other_margin : float
        α₁ and α₂, above 0; the paper has α₂ < α₁.
    metric : Metric or MetricLayer, optional
        d; Euclidean by default.
    mining : Mining, optional
        All pairs by default. The quadruplets consist of the pairs that it chooses.
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
    """Count for each pair the quadruplets with d(l, k) − reach < d(i, j) it is positive in, minus those negative in."""
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
    in_reach = torch.searchsorted(near.sort().values, far)  # negatives of each positive
    reached = len(far) - torch.searchsorted(positives, near + 1)  # positives of each negative: those with a larger rank
    labelled = (of_anchor * base + far).sort().values
    for side in (of_row, of_column):
        in_reach -= _of_class(side, near, of_anchor, far, base)
        start, end = (
            torch.searchsorted(labelled, side * base + near + 1),
            torch.searchsorted(labelled, (side + 1) * base),
        )
        reached -= end - start
    counts[i, j] = in_reach.to(counts.dtype)
    counts[row, column] = -reached.to(counts.dtype)
    return counts


def _of_class(side: Tensor, near: Tensor, of_anchor: Tensor, far: Tensor, base: int) -> Tensor:
    """Count for each positive the negatives below it with a picture of its class on that side: (positives,)."""
    keys = (side * base + near).sort().values
    return torch.searchsorted(keys, of_anchor * base + far) - torch.searchsorted(keys, of_anchor * base)
