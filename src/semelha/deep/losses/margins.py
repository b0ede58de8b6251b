"""Margins of a softmax on the sphere: what is done to the cosine of the right class, to make it harder."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from semelha.errors import UsageError


class SoftmaxMargin(ABC):
    """What is done to the cosine of the right class."""

    @abstractmethod
    def __call__(self, cosine: Tensor, m: Tensor | None = None) -> Tensor:
        """Elementwise, of any shape; with `m` of that shape in place of the margin's own, where it has one."""


@dataclass(frozen=True)
class NoMargin(SoftmaxMargin):
    """Nothing: normalized softmax (Wang et al., NormFace, ACM MM 2017)."""

    def __call__(self, cosine: Tensor, m: Tensor | None = None) -> Tensor:
        if m is not None:
            raise UsageError("a softmax without a margin has none by class: take CosFace() or ArcFace()")
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

    Beyond θ = π − m, where that would rise again, cos θ − m sin m, as the authors' code has it.
    """

    m: float = 0.5

    def __call__(self, cosine: Tensor, m: Tensor | None = None) -> Tensor:
        # The slope of the root is infinite at θ = 0, and rounding can put the cosine above 1.
        sine = ((1 - cosine) * (1 + cosine)).clamp(min=1e-9).sqrt()
        m = cosine.new_tensor(self.m) if m is None else m
        moved = cosine * m.cos() - sine * m.sin()
        return torch.where(cosine >= -m.cos(), moved, cosine - m * m.sin())


@dataclass(frozen=True)
class SphereFace(SoftmaxMargin):
    """(−1)ᵏ cos(mθ) − 2k for θ in [kπ/m, (k + 1)π/m] (Liu et al., CVPR 2017, equation 7), m a whole number.

    Here with the length of the embedding replaced by the scale of the softmax.
    """

    m: int = 4

    def __post_init__(self) -> None:
        if self.m < 1 or self.m != int(self.m):
            raise UsageError(f"the margin of SphereFace is {self.m}: it multiplies the angle, and is 1, 2, 3 or more")

    def __call__(self, cosine: Tensor, m: Tensor | None = None) -> Tensor:
        if m is not None:
            raise UsageError("the margin of SphereFace is a whole number for all classes: take CosFace() or ArcFace()")
        before, multiple = torch.ones_like(cosine), cosine
        for _ in range(self.m - 1):  # cos((n + 1)θ) = 2 cos θ cos nθ − cos((n − 1)θ): no arc cosine, no infinite slope
            before, multiple = multiple, 2 * cosine * multiple - before
        piece = (cosine.detach().clamp(-1, 1).acos() * (self.m / math.pi)).floor().clamp(max=self.m - 1)  # k
        return torch.where(piece % 2 == 0, multiple, -multiple) - 2 * piece


def dynamic_margins(
    pictures: Sequence[int], *, least: float = 0.05, most: float = 0.5, power: float = 0.25
) -> tuple[float, ...]:
    """A margin for each class, larger where there are fewer pictures: m = a · n^(−λ) + b.

    Ha et al. (2020), third place of Google Landmark Recognition. a and b are such that the class with the fewest
    pictures has the margin `most`, that with the most `least`; where all have as many, all have `most`.

    Parameters
    ----------
    pictures : sequence of int
        n of each class, 1 or more.
    least, most : float
        In the unit of the margin: radians for `ArcFace`, a difference of cosines for `CosFace`.
    power : float
        λ.
    """
    if min(pictures, default=0) < 1:
        raise UsageError("margins by class need one picture or more of each class")
    rare = [n**-power for n in pictures]
    if max(rare) == min(rare):
        return (most,) * len(rare)
    a = (most - least) / (max(rare) - min(rare))
    b = most - a * max(rare)
    return tuple(a * value + b for value in rare)


def adacos_scale(classes: int) -> float:
    """The fixed scale of AdaCos, √2 · ln(classes − 1) (Zhang et al., CVPR 2019, equation 11)."""
    if classes < 3:
        raise UsageError(f"the scale of AdaCos is √2 · ln(classes − 1), 0 or less for {classes}: give one yourself")
    return math.sqrt(2) * math.log(classes - 1)
