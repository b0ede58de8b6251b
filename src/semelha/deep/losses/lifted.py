"""Lifted structure losses: positive pairs against all negatives of both pictures, or of each anchor."""

from __future__ import annotations

from abc import ABC

import torch
import torch.nn.functional as F
from torch import Tensor

from semelha.deep.losses.blockwise import masked_logsumexp, masked_logsumexp_and_gather
from semelha.deep.losses.masked import masked_mean
from semelha.deep.losses.mining import Mining
from semelha.deep.losses.pair_loss import PairLoss
from semelha.deep.losses.pairs import Pairs
from semelha.deep.metric_layer import MetricLayer
from semelha.metrics import Euclidean, Metric


class _LiftedLoss(PairLoss, ABC):
    """A lifted structure loss.

    Parameters
    ----------
    margin : float
        m.
    metric : Metric or MetricLayer, optional
        d; Euclidean by default.
    mining : Mining, optional
        All pairs by default.
    """

    def __init__(
        self, *, margin: float = 1.0, metric: Metric | MetricLayer | None = None, mining: Mining | None = None
    ) -> None:
        super().__init__(metric or Euclidean(), mining)
        self.margin = margin


class LiftedStructure(_LiftedLoss):
    """Lifted structure loss (Oh Song et al., CVPR 2016, equation 4).

    For each positive pair (i, j): ½ [log( Σ_k exp(m − d_ik) + Σ_l exp(m − d_jl) ) + d_ij]₊² over the negatives k of i
    and l of j, averaged over the pairs. The two sums are one per picture, hence O(batch²) time and memory.
    """

    def of_pairs(self, pairs: Pairs) -> Tensor:
        pairs = self.mining.pairs(pairs)
        of_anchor = masked_logsumexp(pairs.distance, pairs.negative, -1)  # (anchors,)
        of_reference = masked_logsumexp(pairs.distance.T, pairs.negative.T, -1)  # (references,)
        row, column = pairs.positive.nonzero(as_tuple=True)
        against = torch.logaddexp(of_anchor[row], of_reference[column]) + self.margin
        lifted = F.relu(against + pairs.distance[row, column]).square() / 2
        return lifted.sum() / max(len(row), 1)


class GeneralizedLifted(_LiftedLoss):
    """Generalized lifted structure loss (Hermans, Beyer & Leibe, 2017, equation 8).

    For each anchor [log Σ_p exp(d_ap) + log Σ_n exp(m − d_an)]₊, averaged over the anchors that have a
    positive and a negative.
    """

    def of_pairs(self, pairs: Pairs) -> Tensor:
        pairs = self.mining.pairs(pairs)
        near, distances, filled = masked_logsumexp_and_gather(pairs.distance, pairs.negative, -1, pairs.positive)
        far = masked_logsumexp(distances, filled)  # (anchors,)
        return masked_mean(F.relu(far + near + self.margin), pairs.positive.any(dim=1) & pairs.negative.any(dim=1))
