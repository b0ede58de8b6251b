"""Lifted structure loss: every positive pair against all negatives of both, as the authors and as others have it."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from semelha.deep.losses.blocks import log_sum_and_few, log_sum_where
from semelha.deep.losses.masks import mean_where
from semelha.deep.losses.mining import AllPairs, Mining
from semelha.deep.losses.pair_loss import PairLoss
from semelha.deep.losses.pairs import Pairs
from semelha.deep.metric_layer import MetricLayer
from semelha.metrics import Euclidean, Metric


class LiftedStructure(PairLoss):
    """Lifted structure loss (Oh Song et al., CVPR 2016, equation 4).

    For each positive pair (i, j): ½ [log( Σ_k exp(m − d_ik) + Σ_l exp(m − d_jl) ) + d_ij]₊² over the negatives k of i
    and l of j, averaged over the pairs. The two sums are one per picture, hence O(batch²) time and memory.

    Parameters
    ----------
    margin : float
        m.
    metric : Metric or MetricLayer, optional
        d; Euclidean where not given.
    mining : Mining, optional
        All pairs where not given.
    """

    def __init__(
        self, *, margin: float = 1.0, metric: Metric | MetricLayer | None = None, mining: Mining | None = None
    ) -> None:
        super().__init__(metric or Euclidean(), mining or AllPairs())
        self.margin = margin

    def of(self, pairs: Pairs) -> Tensor:
        pairs = self.mining.pairs(pairs)
        of_anchor = log_sum_where(pairs.distance, pairs.negative, -1)  # (anchors,)
        of_reference = log_sum_where(pairs.distance.T, pairs.negative.T, -1)  # (references,)
        row, column = pairs.positive.nonzero(as_tuple=True)
        against = torch.logaddexp(of_anchor[row], of_reference[column]) + self.margin
        lifted = F.relu(against + pairs.distance[row, column]).square() / 2
        return lifted.sum() / max(len(row), 1)


class GeneralizedLifted(PairLoss):
    """Lifted structure loss by anchors (Hermans, Beyer & Leibe, 2017, equation 8).

    For each anchor [log Σ_p exp(d_ap) + log Σ_n exp(m − d_an)]₊, averaged over those that have a positive and a
    negative.

    Parameters
    ----------
    margin : float
        m.
    metric : Metric or MetricLayer, optional
        d; Euclidean where not given.
    mining : Mining, optional
        All pairs where not given.
    """

    def __init__(
        self, *, margin: float = 1.0, metric: Metric | MetricLayer | None = None, mining: Mining | None = None
    ) -> None:
        super().__init__(metric or Euclidean(), mining or AllPairs())
        self.margin = margin

    def of(self, pairs: Pairs) -> Tensor:
        pairs = self.mining.pairs(pairs)
        near, away, there = log_sum_and_few(pairs.distance, pairs.negative, -1, pairs.positive)  # (anchors,), …
        far = log_sum_where(away, there)  # (anchors,)
        return mean_where(F.relu(far + near + self.margin), pairs.positive.any(dim=1) & pairs.negative.any(dim=1))
