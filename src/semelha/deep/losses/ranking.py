"""Average precision as a loss: by bins (FastAP), or by soft comparisons (Smooth-AP)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from semelha.deep.losses.blocks import by_rows
from semelha.deep.losses.masks import counts, mean_where, slots
from semelha.deep.losses.mining import AllPairs, Mining
from semelha.deep.losses.pair_loss import PairLoss
from semelha.deep.losses.pairs import Pairs
from semelha.deep.losses.sphere import now
from semelha.deep.metric_layer import MetricLayer
from semelha.errors import UsageError
from semelha.metrics import METRICS, Cosine, Metric, SquaredEuclidean


class FastAP(PairLoss):
    """FastAP (Cakir et al., CVPR 2019, equation 7): 1 − average precision of distances sorted into soft bins.

    Each distance counts in its two nearest bins, by how near. With h⁺ the positives of an anchor in a bin, H⁺ and H
    the positives and all up to it: 1 − 1/N⁺ Σ h⁺ H⁺ / H, averaged over the anchors that have a positive.

    Parameters
    ----------
    bins : int
        Between 0 and `most`; there is a bin at either end.
    most : float, optional
        The largest distance. Where not given, that of the metric; one without an end raises `UsageError`.
    metric : Metric or MetricLayer, optional
        Squared Euclidean where not given.
    mining : Mining, optional
        All pairs where not given; what it leaves out is not ranked.
    """

    def __init__(
        self,
        *,
        bins: int = 10,
        most: float | None = None,
        metric: Metric | MetricLayer | None = None,
        mining: Mining | None = None,
    ) -> None:
        super().__init__(metric or SquaredEuclidean(), mining or AllPairs())
        self.bins = bins
        self.most = max_distance(now(self.metric)) if most is None else most

    def of(self, pairs: Pairs) -> Tensor:
        pairs = self.mining.pairs(pairs)
        count = counts(pairs.positive)  # (anchors,)
        precision = by_rows(self._precision, pairs.distance, pairs.positive, pairs.negative)  # (anchors,)
        return mean_where(1 - precision / count.clamp(min=1), count > 0)

    def _precision(self, distance: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        """Σ h⁺ H⁺ / H over the bins: (rows, references) → (rows,)."""
        place = (distance * (self.bins / self.most)).clamp(0, self.bins)
        below = place.detach().floor().clamp(max=self.bins - 1)
        share = place - below  # of the upper of its two bins
        below = below.long()
        positives = self._histogram(share, below, positive)  # (rows, bins + 1)
        everything = positives + self._histogram(share, below, negative)
        gained = positives * positives.cumsum(dim=1)
        there = gained > 0
        return torch.where(there, gained / torch.where(there, everything.cumsum(dim=1), 1.0), 0.0).sum(dim=1)

    def _histogram(self, share: Tensor, below: Tensor, mask: Tensor) -> Tensor:
        empty = share.new_zeros(len(share), self.bins + 1)
        lower = empty.scatter_add(1, below, torch.where(mask, 1 - share, 0.0))
        return lower.scatter_add(1, below + 1, torch.where(mask, share, 0.0))


def max_distance(metric: Metric) -> float:
    """Return the largest distance of a metric. Raises `UsageError` if there is none."""
    if math.isinf(metric.max_distance):
        bounded = ", ".join(name for name, kind in METRICS.items() if kind.max_distance < math.inf)
        raise UsageError(
            f"the bins of FastAP end at the largest distance, and {metric.name} has none: take one of "
            f"{bounded}, or say where they end (most)"
        )
    return metric.max_distance


class SmoothAP(PairLoss):
    """Smooth-AP (Brown et al., ECCV 2020, equation 6): 1 − average precision, whose steps are sigmoids.

    The rank of a positive p is 1 + Σ_j σ((d_p − d_j)/τ), over all others or over the positives alone; their quotient
    is its precision. Averaged over the positives of an anchor, then over the anchors that have one. Any number of
    pictures a class. Some anchors at a time: O(batch² · positives) time, O(batch²) memory.

    Parameters
    ----------
    temperature : float
        τ.
    metric : Metric or MetricLayer, optional
        Cosine where not given.
    mining : Mining, optional
        All pairs where not given; what it leaves out is not ranked.
    """

    def __init__(
        self, *, temperature: float = 0.01, metric: Metric | MetricLayer | None = None, mining: Mining | None = None
    ) -> None:
        super().__init__(metric or Cosine(), mining or AllPairs())
        self.temperature = temperature

    def of(self, pairs: Pairs) -> Tensor:
        pairs = self.mining.pairs(pairs)
        places, there = slots(pairs.positive)  # (anchors, most)
        count = there.sum(dim=1)  # (anchors,)
        total = by_rows(
            self._precisions, pairs.distance, pairs.positive, pairs.negative, places, there, copies=places.shape[1]
        )  # (anchors,)
        return mean_where(1 - total / count.clamp(min=1), count > 0)

    def _precisions(
        self, distance: Tensor, positive: Tensor, negative: Tensor, places: Tensor, there: Tensor
    ) -> Tensor:
        """Sum of the soft precisions at the positives of each anchor: (rows,)."""
        away = distance.gather(1, places)[:, :, None] - distance[:, None]  # (rows, most, references)
        nearer = (away / self.temperature).sigmoid()
        # The positive itself is among the positives, with σ(0) = ½, which makes ½ more of what is then 1.
        among_positives = 0.5 + torch.where(positive[:, None], nearer, 0.0).sum(dim=2)  # (rows, most)
        among_all = among_positives + torch.where(negative[:, None], nearer, 0.0).sum(dim=2)
        return torch.where(there, among_positives / among_all, 0.0).sum(dim=1)
