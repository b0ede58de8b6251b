"""Losses that weigh each pair by how far it is from where it should be: multi-similarity and circle."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from semelha.deep.losses.masks import log_sum_where, mean_where
from semelha.deep.losses.mining import All, Mining
from semelha.deep.losses.pairs import PairLoss, Pairs
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
        super().__init__()
        self.alpha = alpha
        self.beta = beta
        self.base = base
        self.metric = metric or Cosine()
        self.mining = mining or All()

    def of(self, pairs: Pairs) -> Tensor:
        pairs = self.mining.pairs(pairs)
        beyond = pairs.distance - self.base  # (anchors, references)
        apart = F.softplus(log_sum_where(self.alpha * beyond, pairs.positive)) / self.alpha  # (anchors,)
        close = F.softplus(log_sum_where(-self.beta * beyond, pairs.negative)) / self.beta
        return (apart + close).sum() / max(len(apart), 1)


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
        super().__init__()
        self.m = m
        self.gamma = gamma
        self.metric = metric or Cosine()
        self.mining = mining or All()

    def of(self, pairs: Pairs) -> Tensor:
        pairs = self.mining.pairs(pairs)
        distance, held, m = pairs.distance, pairs.distance.detach(), self.m  # (anchors, references)
        apart = log_sum_where(self.gamma * F.relu(held + m) * (distance - m), pairs.positive)  # (anchors,)
        close = log_sum_where(self.gamma * F.relu(1 + m - held) * (1 - m - distance), pairs.negative)
        both = pairs.positive.any(dim=1) & pairs.negative.any(dim=1)
        return mean_where(F.softplus(torch.where(both, apart + close, 0.0)), both)
