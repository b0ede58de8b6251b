"""Triplet loss over all triplets or those that a mining chooses, with a margin or a soft margin.

No triplet is formed. An active hinge [d(a, p) − d(a, n) + margin]₊ is linear, so that the sum over the chosen triplets
is Σ w(i, j) d(i, j) + margin · (their number), with w(i, j) the number of them in which (i, j) is the positive pair
minus the number in which it is the negative pair. Sorting counts them: O(batch² log batch) time and O(batch²) memory,
for batch³ triplets.

The soft margin is no such sum. It is computed in chunks of anchors: O(batch² · positives) time.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from semelha.deep.losses.blockwise import apply_by_rows
from semelha.deep.losses.masked import dot, masked_columns
from semelha.deep.losses.mining import Mining, SemiHard
from semelha.deep.losses.pair_loss import PairLoss
from semelha.deep.losses.pairs import Pairs
from semelha.deep.metric_layer import MetricLayer
from semelha.errors import UsageError
from semelha.metrics import Euclidean, Metric


class Triplet(PairLoss):
    """Triplet loss: mean of [d(a, p) − d(a, n) + margin]₊ over the chosen triplets for which it is not 0.

    As Schroff et al. (CVPR 2015, equation 3), without the squares. With a soft margin, the mean of
    ln(1 + exp(d(a, p) − d(a, n))) over the chosen triplets (Hermans, Beyer & Leibe, 2017, section 2), which keeps a
    gradient where a hinge is 0.

    Parameters
    ----------
    margin : float or None
        Above 0; None for the soft margin.
    metric : Metric or MetricLayer, optional
        d; Euclidean by default.
    mining : Mining, optional
        Semi-hard by default.

    Raises
    ------
    UsageError
        The margin is 0 or below.
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
