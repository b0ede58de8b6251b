"""The base class of losses of pairs, and losses of positive and negative pairs.

Contrastive, margin, lifted structure, multi-similarity and circle loss.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from semelha.deep.losses.blockwise import (
    apply_by_rows,
    dot,
    gather_masked,
    masked_logsumexp,
    masked_logsumexp_and_gather,
    masked_mean,
    row_counts,
)
from semelha.deep.losses.distances import Pairs, References, current_metric, make_pairs
from semelha.deep.losses.mining import AllPairs, DistanceWeighted, Mining
from semelha.deep.metric_layer import MetricLayer
from semelha.metrics import Cosine, Euclidean, Metric


class PairLoss(nn.Module, ABC):
    """A loss of the distances between anchors and references.

    Raises `UsageError` if the mining does not take distances of the metric.

    Parameters
    ----------
    metric : Metric or MetricLayer
        The distance. The arrays of a layer, such as the L of Mahalanobis, are learned with the network. Embeddings are
        normalized to unit norm for a metric of vectors; they must be histograms for a metric of histograms.
    mining : Mining, optional
        The pairs and triplets that count; all pairs by default.
    """

    def __init__(self, metric: Metric | MetricLayer, mining: Mining | None) -> None:
        super().__init__()
        self.metric = metric
        self.mining = mining or AllPairs()
        self.mining.check(current_metric(metric))

    def forward(self, embeddings: Tensor, labels: Tensor, references: References | None = None) -> Tensor:
        """Compute the loss of a batch: a scalar in float32, or in float64 if the embeddings are.

        Raises `UsageError` if the metric cannot take the embeddings.

        Parameters
        ----------
        embeddings : (batch, dim)
        labels : (batch,) int64
        references : References, optional
            Embeddings to compare the batch with; the batch itself by default.
        """
        return self.of_pairs(make_pairs(embeddings, labels, references, self.metric))

    @abstractmethod
    def of_pairs(self, pairs: Pairs) -> Tensor:
        """Compute the loss of pairs: 0, with gradient 0, if there is nothing to compare."""


class TemperatureLoss(PairLoss):
    """A loss of the scores −d/τ of pairs.

    Parameters
    ----------
    temperature : float, optional
        τ; `default_temperature` of the class by default.
    metric : Metric or MetricLayer, optional
        d; cosine by default.
    mining : Mining, optional
        All pairs by default. Pairs that it leaves out are in no sum.
    """

    default_temperature: ClassVar[float]

    def __init__(
        self,
        *,
        temperature: float | None = None,
        metric: Metric | MetricLayer | None = None,
        mining: Mining | None = None,
    ) -> None:
        super().__init__(metric or Cosine(), mining)
        self.temperature = self.default_temperature if temperature is None else temperature


class Contrastive(PairLoss):
    """Contrastive loss (Hadsell, Chopra & LeCun, CVPR 2006, equation 4, without the squares).

    Mean of [d − m₊]₊ over the positive pairs plus mean of [m₋ − d]₊ over the negative pairs. Each mean is over the
    pairs for which the hinge is not 0.

    Parameters
    ----------
    positive_margin, negative_margin : float
        m₊ and m₋. Euclidean distances of unit vectors lie between 0 and 2.
    metric, mining : optional
        Euclidean and all pairs by default.
    """

    def __init__(
        self,
        *,
        positive_margin: float = 0.0,
        negative_margin: float = 1.0,
        metric: Metric | MetricLayer | None = None,
        mining: Mining | None = None,
    ) -> None:
        super().__init__(metric or Euclidean(), mining)
        self.positive_margin = positive_margin
        self.negative_margin = negative_margin

    def of_pairs(self, pairs: Pairs) -> Tensor:
        pairs = self.mining.pairs(pairs)
        distance = pairs.distance.detach()
        far = pairs.positive & (distance > self.positive_margin)
        near = pairs.negative & (distance < self.negative_margin)
        far_count, near_count = (row_counts(active).sum().to(distance.dtype) for active in (far, near))
        # An active hinge is linear: the sum of all of them is a weighted sum of distances.
        weights = torch.where(far, 1 / far_count, 0.0).sub_(torch.where(near, 1 / near_count, 0.0))
        margins = self.negative_margin * near_count.clamp(max=1) - self.positive_margin * far_count.clamp(max=1)
        return dot(weights, pairs.distance) + margins


class MarginLoss(PairLoss):
    """Margin loss (Wu et al., ICCV 2017, equation 5), with distance-weighted negatives.

    Sum of [d_ap − β + α]₊ + [β − d_an + α]₊ over the triplets (a, p, n) of the chosen pairs, divided by the number of
    hinges that are not 0; plus ν · β if β is learned. Each hinge has one pair, so that the sum over triplets is a sum
    over pairs, each weighted by the number of triplets it is in: O(batch²).

    Parameters
    ----------
    margin : float
        α.
    beta : float
        β, or its initial value if it is learned.
    classes : int, optional
        Number of classes, to learn a β for each class.
    nu : float
        ν, the regularization of a learned β.
    metric : Metric or MetricLayer, optional
        Euclidean by default.
    mining : Mining, optional
        `DistanceWeighted()` by default.
    """

    def __init__(
        self,
        *,
        margin: float = 0.2,
        beta: float = 1.2,
        classes: int | None = None,
        nu: float = 0.0,
        metric: Metric | MetricLayer | None = None,
        mining: Mining | None = None,
    ) -> None:
        super().__init__(metric or Euclidean(), mining or DistanceWeighted())
        self.margin = margin
        self.nu = nu
        self.beta = beta if classes is None else nn.Parameter(torch.full((classes,), beta))

    def of_pairs(self, pairs: Pairs) -> Tensor:
        pairs = self.mining.pairs(pairs)
        beta = self.beta[pairs.labels][:, None] if isinstance(self.beta, Tensor) else self.beta  # (anchors, 1)
        distance = pairs.distance.detach()
        far = pairs.positive & (distance > beta - self.margin)  # (anchors, references)
        near = pairs.negative & (distance < beta + self.margin)
        negatives, positives, far_count, near_count = (
            row_counts(mask)[:, None].to(distance.dtype) for mask in (pairs.negative, pairs.positive, far, near)
        )  # (anchors, 1) each
        # An active hinge is linear: the sum of all of them is a weighted sum of distances.
        weights = torch.where(far, negatives, 0.0).sub_(torch.where(near, positives, 0.0))
        far_hinges, near_hinges = far_count * negatives, near_count * positives
        count = (far_hinges + near_hinges).sum()
        total = dot(weights, pairs.distance) + (beta * (near_hinges - far_hinges)).sum() + self.margin * count
        if isinstance(beta, Tensor):
            total = total + self.nu * (beta * positives * negatives).sum()
        return total / count.clamp(min=1)


class _LiftedLoss(PairLoss, ABC):
    """A lifted structure loss with margin m; d is Euclidean by default."""

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


class MultiSimilarity(PairLoss):
    """Multi-similarity loss (Wang et al., CVPR 2019, equation 15).

    For each anchor log(1 + Σ_p exp(α(d_ap − λ)))/α + log(1 + Σ_n exp(β(λ − d_an)))/β, averaged over the anchors.

    Parameters
    ----------
    alpha, beta : float
        α for the positives, β for the negatives.
    base : float
        λ, as a distance: for the cosine distance 1 − the paper's λ.
    metric, mining : optional
        Cosine and all pairs by default; the paper has `MultiSimilarityMining()`.
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
    metric, mining : optional
        Cosine and all pairs by default.
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
