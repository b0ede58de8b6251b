"""Multi-similarity loss and circle loss: pairs weighted by how far they are from their target distance."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from semelha.deep.losses.blockwise import apply_by_rows, masked_logsumexp, masked_logsumexp_and_gather
from semelha.deep.losses.masked import gather_masked, masked_mean
from semelha.deep.losses.mining import Mining
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
        Cosine by default.
    mining : Mining, optional
        All pairs by default; the paper has `MultiSimilarityMining()`.
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
        super().__init__(metric or Cosine(), mining)
        self.alpha = alpha
        self.beta = beta
        self.base = base

    def of_pairs(self, pairs: Pairs) -> Tensor:
        pairs = self.mining.pairs(pairs)
        near, distances, filled = masked_logsumexp_and_gather(
            pairs.distance, pairs.negative, -self.beta, pairs.positive
        )  # (anchors,), (anchors, positives) twice
        negatives = near + self.beta * self.base
        positives = masked_logsumexp(distances, filled, self.alpha) - self.alpha * self.base  # (anchors,)
        return (F.softplus(positives) / self.alpha + F.softplus(negatives) / self.beta).sum() / max(len(positives), 1)


class Circle(PairLoss):
    """Circle loss (Sun et al., CVPR 2020, equation 6, with the reduction of their section 3.3 to one relaxation m).

    With s = 1 − d, for each anchor log(1 + Σ_n exp(γ [s_n + m]₊ (s_n − m)) · Σ_p exp(−γ [1 + m − s_p]₊ (s_p − 1 + m))),
    averaged over the anchors that have a positive and a negative. The brackets are constants in the gradient.

    Parameters
    ----------
    m : float
        Relaxation; in the paper 0.4 for fine-grained retrieval, 0.25 for faces and person re-identification.
    gamma : float
        Scale; in the paper 80 for retrieval, 256 for faces, 128 for person re-identification.
    metric : Metric or MetricLayer, optional
        Cosine by default.
    mining : Mining, optional
        All pairs by default.
    """

    def __init__(
        self,
        *,
        m: float = 0.4,
        gamma: float = 80.0,
        metric: Metric | MetricLayer | None = None,
        mining: Mining | None = None,
    ) -> None:
        super().__init__(metric or Cosine(), mining)
        self.m = m
        self.gamma = gamma

    def of_pairs(self, pairs: Pairs) -> Tensor:
        pairs = self.mining.pairs(pairs)
        both = pairs.positive.any(dim=1) & pairs.negative.any(dim=1)  # (anchors,)
        distances, filled = gather_masked(pairs.distance, pairs.positive)  # (anchors, positives)
        scores = self.gamma * F.relu(distances.detach() + self.m) * (distances - self.m)
        positives = masked_logsumexp(scores, filled)  # (anchors,)
        negatives = apply_by_rows(self._negatives, pairs.distance, pairs.negative)  # (anchors,)
        return masked_mean(F.softplus(torch.where(both, positives + negatives, 0.0)), both)

    def _negatives(self, distance: Tensor, negative: Tensor) -> Tensor:
        """Log of the sum over the negatives: (rows, references) → (rows,)."""
        weight = self.gamma * F.relu(1 + self.m - distance.detach())
        return masked_logsumexp(weight * (1 - self.m - distance), negative)
