"""A learned point, or a few, for each class: ProxyNCA++, Proxy-Anchor, SoftTriple.

Embeddings (batch, dim) of any length, and the proxies, are put on the unit sphere; labels (batch,) int64 in
0..classes − 1. With as many classes as there are, memory is O(batch · classes).
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from semelha.deep.losses.blocks import blocks, log_sum_where
from semelha.deep.losses.sphere import cosines, distances, of_vectors, unit
from semelha.deep.metric_layer import MetricLayer
from semelha.metrics import Cosine, Euclidean, Metric, SquaredEuclidean


class ProxyNCA(nn.Module):
    """ProxyNCA++ (Teh, DeVries & Taylor, ECCV 2020, equation 5): −log( exp(−d(x, p_y)/τ) / Σ_c exp(−d(x, p_c)/τ) ).

    The proxy of the class stands in the sum, too, unlike in ProxyNCA (Movshovitz-Attias et al., ICCV 2017).

    Parameters
    ----------
    classes, dim : int
    temperature : float
        τ.
    metric : Metric or MetricLayer, optional
        Of vectors; squared Euclidean where not given.
    """

    def __init__(
        self, classes: int, dim: int, *, temperature: float = 1 / 9, metric: Metric | MetricLayer | None = None
    ) -> None:
        super().__init__()
        self.proxies = nn.Parameter(torch.randn(classes, dim))
        self.temperature = temperature
        self.metric = metric or SquaredEuclidean()

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        away = distances(embeddings, self.proxies, of_vectors(self.metric))  # (batch, classes)
        return F.cross_entropy(away / -self.temperature, labels)


class ProxyAnchor(nn.Module):
    """Proxy-Anchor (Kim et al., CVPR 2020, equation 4): the proxies are the anchors, the batch their company.

    Mean over the proxies of classes in the batch of log(1 + Σ₊ exp(α(d − 1 + δ))), plus mean over all proxies of
    log(1 + Σ₋ exp(α(1 − d + δ))); with the cosine distance that is the paper's.

    Parameters
    ----------
    classes, dim : int
    margin : float
        δ.
    scale : float
        α.
    metric : Metric or MetricLayer, optional
        Of vectors; cosine where not given.
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

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        away = distances(self.proxies, embeddings, of_vectors(self.metric))  # (classes, batch)
        positive = torch.arange(len(away), device=labels.device)[:, None] == labels
        apart = log_sum_where(away, positive, self.scale) + self.scale * (self.margin - 1)  # (classes,)
        close = log_sum_where(away, ~positive, -self.scale) + self.scale * (self.margin + 1)
        return F.softplus(apart).sum() / positive.any(dim=1).sum() + F.softplus(close).mean()


class SoftTriple(nn.Module):
    """SoftTriple (Qian et al., ICCV 2019, equations 8 and 9): several centers a class, a softmax among them.

    The similarity to a class is Σ_k softmax(s_k / γ) s_k over the cosines s_k to its centers; softmax cross-entropy of
    λ times these, less δ for the right class. Plus τ/(C K (K − 1)) times the sum of the distances between centers of a
    class, which makes those one that are not needed.

    Parameters
    ----------
    classes, dim : int
    centers : int
        K, of each class.
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
        proxies = unit(self.proxies)  # (classes, centers, dim)
        cosine = cosines(unit(embeddings), proxies.view(-1, dim)).view(-1, classes, centers)
        similarity: Tensor = _SoftLargest.apply(cosine, self.gamma)  # (batch, classes)
        right = F.one_hot(labels, classes)
        loss = F.cross_entropy(self.scale * (similarity - self.margin * right), labels)
        if not self.merging or centers == 1:
            return loss
        first, second = torch.triu_indices(centers, centers, 1, device=proxies.device)
        one, other = proxies[:, first].reshape(-1, dim), proxies[:, second].reshape(-1, dim)
        apart: Tensor = Euclidean().between(one, other, check=False)
        return loss + self.merging * apart.sum() / (classes * centers * (centers - 1))


class _SoftLargest(torch.autograd.Function):
    """Σ softmax(x / γ) x over the last dimension, p (1 + (x − Σ) / γ) being its derivative, which is kept."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, gamma: float) -> Tensor:
        out, slope = x.new_empty(x.shape[:2]), torch.empty_like(x)
        for rows in blocks(x):
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
