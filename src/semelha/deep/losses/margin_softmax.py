"""Cross-entropy over the classes of training: plain, and on the sphere with a margin."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from semelha.deep.losses.sphere import at_least_float32, cosines, unit


class CrossEntropy(nn.Module):
    """Softmax cross-entropy of a linear classifier on the embeddings as they are: the baseline.

    Embeddings (batch, dim); labels (batch,) int64 in 0..classes − 1.

    Parameters
    ----------
    classes, dim : int
    """

    def __init__(self, classes: int, dim: int) -> None:
        super().__init__()
        self.classifier = nn.Linear(dim, classes)

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        with torch.autocast(embeddings.device.type, enabled=False):
            logits = self.classifier(at_least_float32(embeddings))  # (batch, classes)
        return F.cross_entropy(logits, labels)


class Margin(ABC):
    """What is done to the cosine of the right class, to make it harder."""

    @abstractmethod
    def __call__(self, cosine: Tensor) -> Tensor:
        """Elementwise, of any shape."""


@dataclass(frozen=True)
class NoMargin(Margin):
    """Nothing: normalized softmax (Wang et al., NormFace, ACM MM 2017)."""

    def __call__(self, cosine: Tensor) -> Tensor:
        return cosine


@dataclass(frozen=True)
class CosFace(Margin):
    """cos θ − m (Wang et al., CVPR 2018, equation 4)."""

    m: float = 0.35

    def __call__(self, cosine: Tensor) -> Tensor:
        return cosine - self.m


@dataclass(frozen=True)
class ArcFace(Margin):
    """cos(θ + m), m in radians (Deng et al., CVPR 2019, equation 3).

    Beyond θ = π − m, where that would rise again, cos θ − m sin m, as the authors' code has it.
    """

    m: float = 0.5

    def __call__(self, cosine: Tensor) -> Tensor:
        # The slope of the root is infinite at θ = 0, and rounding can put the cosine above 1.
        sine = ((1 - cosine) * (1 + cosine)).clamp(min=1e-9).sqrt()
        moved = cosine * math.cos(self.m) - sine * math.sin(self.m)
        return torch.where(cosine >= -math.cos(self.m), moved, cosine - self.m * math.sin(self.m))


class MarginSoftmax(nn.Module):
    """Softmax over scale · cos(embedding, proxy of the class), the right class with a margin.

    Embeddings (batch, dim) of any length, and the proxies, are put on the unit sphere here; labels (batch,)
    int64 in 0..classes − 1.

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
        cosine = cosines(unit(embeddings), unit(self.proxies))  # (batch, classes)
        right = cosine.gather(1, labels[:, None])  # (batch, 1)
        return F.cross_entropy(self.scale * cosine.scatter(1, labels[:, None], self.margin(right)), labels)
