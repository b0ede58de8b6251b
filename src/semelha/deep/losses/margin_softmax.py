"""Cross-entropy over the classes of training: plain, and on the sphere with a margin."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from semelha.deep.losses.infonce import HALF


class CrossEntropy(nn.Module):
    """Softmax cross-entropy of a linear classifier on the embeddings: the baseline.

    Parameters
    ----------
    classes, dim : int
    """

    def __init__(self, classes: int, dim: int) -> None:
        super().__init__()
        self.classifier = nn.Linear(dim, classes)

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        return F.cross_entropy(self.classifier(embeddings).float(), labels)


class Margin(ABC):
    """What is done to the cosine of the right class, to make it harder."""

    @abstractmethod
    def __call__(self, cosine: Tensor) -> Tensor:
        """(batch,) → (batch,)."""


class NoMargin(Margin):
    """Nothing: normalized softmax (Wang et al., NormFace, ACM MM 2017)."""

    def __call__(self, cosine: Tensor) -> Tensor:
        return cosine


class CosFace(Margin):
    """cos θ − m (Wang et al., CVPR 2018, equation 4)."""

    def __init__(self, m: float = 0.35) -> None:
        self.m = m

    def __call__(self, cosine: Tensor) -> Tensor:
        return cosine - self.m


class ArcFace(Margin):
    """cos(θ + m) (Deng et al., CVPR 2019, equation 3), and beyond θ = π − m, where that would rise again, a straight
    line: cos θ − m sin m, as the authors' code has it."""

    def __init__(self, m: float = 0.5) -> None:
        self.m = m

    def __call__(self, cosine: Tensor) -> Tensor:
        inside = cosine.clamp(-1 + 1e-7, 1 - 1e-7)  # the slope of the sine is infinite at ±1
        moved = inside * math.cos(self.m) - torch.sqrt(1 - inside**2) * math.sin(self.m)
        return torch.where(cosine > -math.cos(self.m), moved, cosine - self.m * math.sin(self.m))


class MarginSoftmax(nn.Module):
    """Softmax over scale · cos(embedding, proxy of the class), the right class with a margin.

    Embeddings (batch, dim) and proxies are put on the unit sphere here.

    Parameters
    ----------
    classes, dim : int
    margin : Margin
        `NoMargin()`, `CosFace(m)` or `ArcFace(m)`.
    scale : float
        Inverse temperature.
    """

    def __init__(self, classes: int, dim: int, *, margin: Margin, scale: float = 30.0) -> None:
        super().__init__()
        self.proxies = nn.Parameter(torch.randn(classes, dim))
        self.margin = margin
        self.scale = scale

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        z = F.normalize(embeddings.float() if embeddings.dtype in HALF else embeddings, dim=1)
        with torch.autocast(z.device.type, enabled=False):
            cosine = z @ F.normalize(self.proxies, dim=1).T  # (batch, classes)
            right = cosine.gather(1, labels[:, None])  # (batch, 1)
            cosine = cosine.scatter(1, labels[:, None], self.margin(right))
            return F.cross_entropy(self.scale * cosine, labels)
