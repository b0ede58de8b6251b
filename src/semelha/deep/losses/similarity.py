"""Losses that weigh each pair by how far it is from where it should be: multi-similarity and circle."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from semelha.deep.losses.blocks import by_rows, log_sum_and_few, log_sum_where
from semelha.deep.losses.masks import few, mean_where
from semelha.deep.losses.mining import AllPairs, Mining
from semelha.deep.losses.pair_loss import PairLoss
from semelha.deep.losses.pairs import Pairs
from semelha.deep.metric_layer import MetricLayer
from semelha.metrics import Cosine, Metric


class MultiSimilarity(PairLoss):
    """Multi-similarity loss (Wang et al., CVPR 2019, equation 15).

    For each anchor log(1 + Σ_p exp(α(d_ap − λ)))/α + log(1 + Σ_n exp(β(λ − d_an)))/β, averaged over the anchors.

    Parameters
    ----------
    alpha, beta : float
        α for the positives, β for the negatives.
    base : float
        λ, as a distance: for the cosine distance 1 − the paper's λ.
    metric : Metric or MetricLayer, optional
        Cosine where not given.
    mining : Mining, optional
        All pairs where not given; the paper has `MultiSimilarityMining()`.
    """

    def __init__(
        self,
        *,
        alpha: float = 2.0,
        beta: float = 50.0,
        base: float = 0.5,
        metric: Metric | MetricLayer | None = None,
        mining: Mining | None = None,
    ) -> None:
        super().__init__(metric or Cosine(), mining or AllPairs())
        self.alpha = alpha
        self.beta = beta
        self.base = base

    def of(self, pairs: Pairs) -> Tensor:
        pairs = self.mining.pairs(pairs)
        near, away, there = log_sum_and_few(
            pairs.distance, pairs.negative, -self.beta, pairs.positive
        )  # (anchors,), (anchors, positives) twice
        close = near + self.beta * self.base
        apart = log_sum_where(away, there, self.alpha) - self.alpha * self.base  # (anchors,)
        return (F.softplus(apart) / self.alpha + F.softplus(close) / self.beta).sum() / max(len(apart), 1)


class Circle(PairLoss):
    """Circle loss (Sun et al., CVPR 2020, equation 6, with the reduction of their section 3.3 to one relaxation m).

    With s = 1 − d, for each anchor log(1 + Σ_n exp(γ [s_n + m]₊ (s_n − m)) · Σ_p exp(−γ [1 + m − s_p]₊ (s_p − 1 + m))),
    averaged over those that have a positive and a negative. The brackets are weights, held constant in the gradient.

    Parameters
    ----------
    m : float
        Relaxation: 0.4 for fine-grained retrieval, 0.25 for faces and people.
    gamma : float
        Scale: 80, 256 and 128 there.
    metric : Metric or MetricLayer, optional
        Cosine where not given.
    mining : Mining, optional
        All pairs where not given.
    """

    def __init__(
        self,
        *,
        m: float = 0.4,
        gamma: float = 80.0,
        metric: Metric | MetricLayer | None = None,
        mining: Mining | None = None,
    ) -> None:
        super().__init__(metric or Cosine(), mining or AllPairs())
        self.m = m
        self.gamma = gamma

    def of(self, pairs: Pairs) -> Tensor:
        pairs = self.mining.pairs(pairs)
        both = pairs.positive.any(dim=1) & pairs.negative.any(dim=1)  # (anchors,)
        away, there = few(pairs.distance, pairs.positive)  # (anchors, positives)
        apart = log_sum_where(self.gamma * F.relu(away.detach() + self.m) * (away - self.m), there)  # (anchors,)
        close = by_rows(self._close, pairs.distance, pairs.negative)  # (anchors,)
        return mean_where(F.softplus(torch.where(both, apart + close, 0.0)), both)

    def _close(self, distance: Tensor, negative: Tensor) -> Tensor:
        """Log of the sum over the negatives: (rows, references) → (rows,)."""
        weight = self.gamma * F.relu(1 + self.m - distance.detach())
        return log_sum_where(weight * (1 - self.m - distance), negative)
