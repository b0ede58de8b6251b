"""Average precision as a loss: with soft bins (FastAP), or with soft ranks (Smooth-AP)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from semelha.deep.losses.blockwise import apply_by_rows, masked_columns, masked_mean, row_counts
from semelha.deep.losses.distances import Pairs, current_metric
from semelha.deep.losses.mining import Mining
from semelha.deep.losses.pair_loss import PairLoss, TemperatureLoss
from semelha.deep.metric_layer import MetricLayer
from semelha.errors import UsageError
from semelha.metrics import METRICS, Metric, SquaredEuclidean


class FastAP(PairLoss):
    """FastAP (Cakir et al., CVPR 2019, equation 7): 1 − average precision of a histogram of the distances.

    Each distance is shared between its two nearest bins, linearly. With h⁺ the positives of an anchor in a bin, H⁺ and
    H the positives and all pictures up to it: 1 − 1/N⁺ Σ h⁺ H⁺ / H, averaged over the anchors that have a positive.
    Raises `UsageError` if the metric has no largest distance and `most` is not passed.

    Parameters
    ----------
    bins : int
        Number of bins between 0 and `most`, with one more bin at the end.
    most : float, optional
        The largest distance; `max_distance` of the metric by default.
    metric : Metric or MetricLayer, optional
        Squared Euclidean by default.
    mining : Mining, optional
        All pairs by default. Pairs that it leaves out are not ranked.
    """

    def __init__(
        self,
        *,
        bins: int = 10,
        most: float | None = None,
        metric: Metric | MetricLayer | None = None,
        mining: Mining | None = None,
    ) -> None:
        super().__init__(metric or SquaredEuclidean(), mining)
        self.bins = bins
        self.most = _max_distance(current_metric(self.metric)) if most is None else most

    def of_pairs(self, pairs: Pairs) -> Tensor:
        pairs = self.mining.pairs(pairs)
        count = row_counts(pairs.positive)  # (anchors,)
        precision = apply_by_rows(self._precision, pairs.distance, pairs.positive, pairs.negative)  # (anchors,)
        return masked_mean(1 - precision / count.clamp(min=1), count > 0)

    def _precision(self, distance: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        """Σ h⁺ H⁺ / H over the bins: (rows, references) → (rows,)."""
        position = (distance * (self.bins / self.most)).clamp(0, self.bins)
        below = position.detach().floor().clamp(max=self.bins - 1)
        share = position - below  # of the upper of its two bins
        below = below.long()
        positives = self._histogram(share, below, positive)  # (rows, bins + 1)
        everything = positives + self._histogram(share, below, negative)
        products = positives * positives.cumsum(dim=1)
        some = products > 0
        return torch.where(some, products / torch.where(some, everything.cumsum(dim=1), 1.0), 0.0).sum(dim=1)

    def _histogram(self, share: Tensor, below: Tensor, mask: Tensor) -> Tensor:
        """Soft histogram of the pairs under the mask: (rows, bins + 1)."""
        empty = share.new_zeros(len(share), self.bins + 1)
        lower = empty.scatter_add(1, below, torch.where(mask, 1 - share, 0.0))
        return lower.scatter_add(1, below + 1, torch.where(mask, share, 0.0))


def _max_distance(metric: Metric) -> float:
    """The largest distance of a metric. Raises `UsageError` if there is none."""
    if math.isinf(metric.max_distance):
        bounded = ", ".join(name for name, kind in METRICS.items() if kind.max_distance < math.inf)
        raise UsageError(
            f"the bins of FastAP end at the largest distance, and {metric.name} has none: take one of "
            f"{bounded}, or pass most, the end of the bins"
        )
    return metric.max_distance


class SmoothAP(TemperatureLoss):
    """Smooth-AP (Brown et al., ECCV 2020, equation 6): 1 − average precision, with sigmoids in place of steps.

    The rank of a positive p is 1 + Σ_j σ((d_p − d_j)/τ), among all others or among the positives; the quotient of the
    two is its precision. Averaged over the positives of an anchor, then over the anchors that have one. A class may
    have any number of pictures. Computed in chunks of anchors: O(batch² · positives) time, O(batch²) memory.
    """

    default_temperature = 0.01

    def of_pairs(self, pairs: Pairs) -> Tensor:
        pairs = self.mining.pairs(pairs)
        columns, filled = masked_columns(pairs.positive)  # (anchors, most)
        count = filled.sum(dim=1)  # (anchors,)
        total = apply_by_rows(
            self._precisions, pairs.distance, pairs.positive, pairs.negative, columns, filled, copies=columns.shape[1]
        )  # (anchors,)
        return masked_mean(1 - total / count.clamp(min=1), count > 0)

    def _precisions(
        self, distance: Tensor, positive: Tensor, negative: Tensor, columns: Tensor, filled: Tensor
    ) -> Tensor:
        """Sum of the soft precisions at the positives of each anchor: (rows,)."""
        gap = distance.gather(1, columns)[:, :, None] - distance[:, None]  # (rows, most, references)
        nearer = (gap / self.temperature).sigmoid()
        # The sum includes the positive itself, with σ(0) = ½: ½ more makes its rank 1.
        among_positives = 0.5 + torch.where(positive[:, None], nearer, 0.0).sum(dim=2)  # (rows, most)
        among_all = among_positives + torch.where(negative[:, None], nearer, 0.0).sum(dim=2)
        return torch.where(filled, among_positives / among_all, 0.0).sum(dim=1)
