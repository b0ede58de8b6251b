"""Losses with learned proxies or centers of each class: ProxyNCA++, Proxy-Anchor, SoftTriple and center loss.

Embeddings are (batch, dim), labels (batch,) int64 from 0 to classes − 1. Embeddings and proxies are normalized to unit
length. Memory is O(batch · classes).
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from semelha.deep.losses.blockwise import masked_logsumexp, row_blocks
from semelha.deep.losses.distances import (
    at_least_float32,
    normalize,
    pairwise_cosines,
    pairwise_distances,
    vector_metric,
)
from semelha.deep.metric_layer import MetricLayer
from semelha.metrics import Cosine, Euclidean, Metric, SquaredEuclidean


class ProxyNCA(nn.Module):
    """ProxyNCA++ (Teh, DeVries & Taylor, ECCV 2020, equation 5): −log( exp(−d(x, p_y)/τ) / Σ_c exp(−d(x, p_c)/τ) ).

    The sum includes the proxy of the own class, unlike in ProxyNCA (Movshovitz-Attias et al., ICCV 2017).

    Parameters
    ----------
    classes, dim : int
    temperature : float
        τ.
    metric : Metric or MetricLayer, optional
        A metric of vectors; squared Euclidean by default.
    """

    def __init__(
        self, classes: int, dim: int, *, temperature: float = 1 / 9, metric: Metric | MetricLayer | None = None
    ) -> None:
        super().__init__()
        self.proxies = nn.Parameter(torch.randn(classes, dim))
        self.temperature = temperature
        self.metric = metric or SquaredEuclidean()
        vector_metric(self.metric)  # refuses others

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        distance = pairwise_distances(embeddings, self.proxies, vector_metric(self.metric))  # (batch, classes)
        return F.cross_entropy(distance / -self.temperature, labels)


class ProxyAnchor(nn.Module):
    """Proxy-Anchor (Kim et al., CVPR 2020, equation 4): each proxy is an anchor, compared with the whole batch.

    Mean over the proxies of classes in the batch of log(1 + Σ₊ exp(α(d − 1 + δ))), plus mean over all proxies of
    log(1 + Σ₋ exp(α(1 − d + δ))). With the cosine distance it is the loss of the paper.

    Parameters
    ----------
    classes, dim : int
    margin : float
        δ.
    scale : float
        α.
    metric : Metric or MetricLayer, optional
        A metric of vectors; cosine by default.
    """

    def __init__(
        self,
        classes: int,
        dim: int,
        *,
        margin: float = 0.1,
        scale: float = 32.0,
        metric: Metric | MetricLayer | None = None,
    ) -> None:
        super().__init__()
        self.proxies = nn.Parameter(torch.randn(classes, dim))
        self.margin = margin
        self.scale = scale
        self.metric = metric or Cosine()
        vector_metric(self.metric)  # refuses others

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        distance = pairwise_distances(self.proxies, embeddings, vector_metric(self.metric))  # (classes, batch)
        positive = torch.arange(len(distance), device=labels.device)[:, None] == labels
        positives = masked_logsumexp(distance, positive, self.scale) + self.scale * (self.margin - 1)  # (classes,)
        negatives = masked_logsumexp(distance, ~positive, -self.scale) + self.scale * (self.margin + 1)
        return F.softplus(positives).sum() / positive.any(dim=1).sum() + F.softplus(negatives).mean()


class SoftTriple(nn.Module):
    """SoftTriple (Qian et al., ICCV 2019, equations 8 and 9): several centers per class, combined by a softmax.

    The similarity to a class is Σ_k softmax(s_k / γ) s_k over the cosines s_k to its centers. The loss is the softmax
    cross-entropy of λ times the similarities, minus δ for the own class, plus τ/(C K (K − 1)) times the sum of the
    distances between the centers of a class, which merges superfluous centers.

    Parameters
    ----------
    classes, dim : int
    centers : int
        K, the number per class.
    scale : float
        λ.
    gamma : float
        γ.
    margin : float
        δ.
    merging : float
        τ.
    """

    def __init__(
        self,
        classes: int,
        dim: int,
        *,
        centers: int = 10,
        scale: float = 20.0,
        gamma: float = 0.1,
        margin: float = 0.01,
        merging: float = 0.2,
    ) -> None:
        super().__init__()
        self.proxies = nn.Parameter(torch.randn(classes, centers, dim))
        self.scale = scale
        self.gamma = gamma
        self.margin = margin
        self.merging = merging

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        classes, centers, dim = self.proxies.shape
        proxies = normalize(self.proxies)  # (classes, centers, dim)
        cosine = pairwise_cosines(normalize(embeddings), proxies.view(-1, dim)).view(-1, classes, centers)
        similarity: Tensor = _SoftMaximum.apply(cosine, self.gamma)  # (batch, classes)
        own = F.one_hot(labels, classes)
        loss = F.cross_entropy(self.scale * (similarity - self.margin * own), labels)
        if not self.merging or centers == 1:
            return loss
        first, second = torch.triu_indices(centers, centers, 1, device=proxies.device)
        one, other = proxies[:, first].reshape(-1, dim), proxies[:, second].reshape(-1, dim)
        distance: Tensor = Euclidean().between(one, other, check=False)
        return loss + self.merging * distance.sum() / (classes * centers * (centers - 1))


class CenterLoss(nn.Module):
    """Center loss (Wen et al., ECCV 2016, equation 2): half the mean squared distance to the center of the own class.

    The centers are learned with the network, not by the update rule of the paper, and are not normalized. The loss has
    no negatives: combine it with one that has (`WeightedSum`).

    Parameters
    ----------
    classes, dim : int
    metric : Metric or MetricLayer, optional
        A metric of vectors; squared Euclidean by default.
    """

    def __init__(self, classes: int, dim: int, *, metric: Metric | MetricLayer | None = None) -> None:
        super().__init__()
        self.centers = nn.Parameter(torch.randn(classes, dim) / dim**0.5)
        self.metric = metric or SquaredEuclidean()

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        metric = vector_metric(self.metric)
        with torch.autocast(embeddings.device.type, enabled=False):
            own = at_least_float32(self.centers)[labels]  # (batch, dim)
            distance: Tensor = metric.between(normalize(embeddings), own, check=False)
        return distance.mean() / 2


class _SoftMaximum(torch.autograd.Function):
    """Σ softmax(x / γ) x over the last dimension. Keeps its derivative alone, p (1 + (x − Σ) / γ)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, gamma: float) -> Tensor:
        out, slope = x.new_empty(x.shape[:2]), torch.empty_like(x)
        for rows in row_blocks(x):
            share = (x[rows] / gamma).softmax(dim=2)
            out[rows] = (share * x[rows]).sum(dim=2)
            slope[rows] = share.addcmul_(share, x[rows] - out[rows][..., None], value=1 / gamma)
        ctx.save_for_backward(slope)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (slope,) = ctx.saved_tensors
        return slope * gradient[..., None], None
