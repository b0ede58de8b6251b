"""Softmax cross-entropy over the training classes: plain, or of cosines with an angular margin."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from semelha.deep.losses.distances import at_least_float32, normalize, pairwise_cosines
from semelha.errors import UsageError


class CrossEntropy(nn.Module):
    """Softmax cross-entropy of a linear classifier on the embeddings: the baseline.

    Embeddings are (batch, dim), labels (batch,) int64 from 0 to classes − 1.

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


class MarginSoftmax(nn.Module):
    """Softmax cross-entropy of scale · cos(embedding, class proxy), with a margin for the own class.

    Embeddings are (batch, dim), labels (batch,) int64 from 0 to classes − 1. Embeddings and proxies are normalized to
    unit norm. Raises `UsageError` if there are not as many margins as classes.

    Parameters
    ----------
    classes, dim : int
    margin : SoftmaxMargin
        `NoMargin()`, `CosFace(m)`, `ArcFace(m)` or `SphereFace(m)`.
    scale : float
        Inverse temperature; `adacos_scale(classes)` is that of AdaCos with a fixed scale.
    centers : int
        Number of proxies per class; the nearest counts (sub-center ArcFace: Deng et al., ECCV 2020, equation 3).
    margins : sequence of float, optional
        An m for each class in place of that of `margin`, such as `dynamic_margins(pictures)`.
    """

    margins: Tensor | None

    def __init__(
        self,
        classes: int,
        dim: int,
        *,
        margin: SoftmaxMargin,
        scale: float = 30.0,
        centers: int = 1,
        margins: Sequence[float] | None = None,
    ) -> None:
        super().__init__()
        if margins is not None and len(margins) != classes:
            raise UsageError(f"margins has {len(margins)} numbers: it must have one for each of the {classes} classes")
        self.proxies = nn.Parameter(torch.randn(classes, centers, dim))
        self.register_buffer("margins", None if margins is None else torch.tensor(margins))
        self.margin = margin
        self.scale = scale

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        classes, centers, dim = self.proxies.shape
        proxies = normalize(self.proxies).view(-1, dim)  # (classes · centers, dim)
        cosine = pairwise_cosines(normalize(embeddings), proxies)  # (batch, classes · centers)
        if centers > 1:
            cosine = cosine.view(-1, classes, centers).max(dim=2).values  # (batch, classes)
        if isinstance(self.margin, NoMargin) and self.margins is None:  # nothing to replace
            return F.cross_entropy(self.scale * cosine, labels)
        own = cosine.gather(1, labels[:, None])  # (batch, 1)
        m = None if self.margins is None else self.margins[labels][:, None]
        return F.cross_entropy(self.scale * cosine.scatter(1, labels[:, None], self.margin(own, m)), labels)


class SoftmaxMargin(ABC):
    """A function of the cosine of the own class, which makes the class harder to reach."""

    @abstractmethod
    def __call__(self, cosine: Tensor, m: Tensor | None = None) -> Tensor:
        """Apply the margin elementwise; `m`, of the shape of `cosine`, replaces the margin's own m."""


@dataclass(frozen=True)
class NoMargin(SoftmaxMargin):
    """No margin: normalized softmax (Wang et al., NormFace, ACM MM 2017)."""

    def __call__(self, cosine: Tensor, m: Tensor | None = None) -> Tensor:
        if m is not None:
            raise UsageError("NoMargin takes no margins by class: take CosFace() or ArcFace()")
        return cosine


@dataclass(frozen=True)
class CosFace(SoftmaxMargin):
    """cos θ − m (Wang et al., CVPR 2018, equation 4)."""

    m: float = 0.35

    def __call__(self, cosine: Tensor, m: Tensor | None = None) -> Tensor:
        return cosine - (self.m if m is None else m)


@dataclass(frozen=True)
class ArcFace(SoftmaxMargin):
    """cos(θ + m), m in radians (Deng et al., CVPR 2019, equation 3).

    Beyond θ = π − m, where cos(θ + m) would increase again, it is cos θ − m sin m, as in the authors' code.
    """

    m: float = 0.5

    def __call__(self, cosine: Tensor, m: Tensor | None = None) -> Tensor:
        # The root has an infinite derivative at θ = 0, and rounding can lift the cosine above 1.
        sine = ((1 - cosine) * (1 + cosine)).clamp(min=1e-9).sqrt()
        m = cosine.new_tensor(self.m) if m is None else m
        shifted = cosine * m.cos() - sine * m.sin()
        return torch.where(cosine >= -m.cos(), shifted, cosine - m * m.sin())


@dataclass(frozen=True)
class SphereFace(SoftmaxMargin):
    """(−1)ᵏ cos(mθ) − 2k for θ in [kπ/m, (k + 1)π/m] (Liu et al., CVPR 2017, equation 7), m a whole number.

    The scale of the softmax replaces the norm of the embedding.
    """

    m: int = 4

    def __post_init__(self) -> None:
        if self.m < 1 or self.m != int(self.m):
            raise UsageError(f"m is {self.m}: SphereFace multiplies the angle by a whole number, 1 or more")

    def __call__(self, cosine: Tensor, m: Tensor | None = None) -> Tensor:
        if m is not None:
            raise UsageError("SphereFace takes no margins by class: take CosFace() or ArcFace()")
        before, multiple = torch.ones_like(cosine), cosine
        # cos((n + 1)θ) = 2 cos θ cos nθ − cos((n − 1)θ), without the arc cosine and its infinite slope.
        for _ in range(self.m - 1):
            before, multiple = multiple, 2 * cosine * multiple - before
        piece = (cosine.detach().clamp(-1, 1).acos() * (self.m / math.pi)).floor().clamp(max=self.m - 1)  # k
        return torch.where(piece % 2 == 0, multiple, -multiple) - 2 * piece


def dynamic_margins(
    pictures: Sequence[int], *, least: float = 0.05, most: float = 0.5, power: float = 0.25
) -> tuple[float, ...]:
    """Compute a margin for each class, larger for classes with fewer pictures: m = a · n^(−λ) + b.

    Ha et al. (2020), third place of Google Landmark Recognition. a and b are such that the class with the fewest
    pictures has the margin `most`, and the class with the most has `least`. If all have as many, all have `most`.
    Raises `UsageError` if a class has no picture or there are no classes.

    Parameters
    ----------
    pictures : sequence of int
        n of each class, at least 1.
    least, most : float
        In the unit of the margin: radians for `ArcFace`, a difference of cosines for `CosFace`.
    power : float
        λ.
    """
    if min(pictures, default=0) < 1:
        raise UsageError("pictures must have 1 or more for each class")
    rare = [n**-power for n in pictures]
    if max(rare) == min(rare):
        return (most,) * len(rare)
    a = (most - least) / (max(rare) - min(rare))
    b = most - a * max(rare)
    return tuple(a * value + b for value in rare)


def adacos_scale(classes: int) -> float:
    """Compute the fixed scale of AdaCos, √2 · ln(classes − 1) (Zhang et al., CVPR 2019, equation 11).

    Raises `UsageError` if there are fewer than 3 classes, for which it is 0 or less.
    """
    if classes < 3:
        raise UsageError(f"classes is {classes}: the scale of AdaCos, √2 · ln(classes − 1), needs 3 or more")
    return math.sqrt(2) * math.log(classes - 1)
