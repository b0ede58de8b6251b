"""Distances of all pairs by a metric with maps: one matrix, and one for its gradient."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from semelha.deep.losses.blocks import blocks
from semelha.metrics.mapped import LinkType, MappedMetric


@dataclass(frozen=True)
class Link:
    """The link of a metric, for which autograd would keep what it is of.

    Attributes
    ----------
    put : callable
        The link, in place of what it is given.
    back : callable
        The gradient in that, from the distances and the gradient in them; 0 where the distance is 0.
    """

    put: Callable[[Tensor], Tensor]
    back: Callable[[Tensor, Tensor], Tensor]


LINKS: dict[LinkType | None, Link] = {
    "identity": Link(lambda x: x.clamp_(min=0), lambda d, g: torch.where(d > 0, g, 0.0)),
    "sqrt": Link(lambda x: x.clamp_(min=0).sqrt_(), lambda d, g: torch.where(d > 0, g / (2 * d), 0.0)),
    "one-minus": Link(lambda x: x.neg_().add_(1).clamp_(min=0), lambda d, g: torch.where(d > 0, -g, 0.0)),
}
"""Those that are known; of any other, autograd finds the derivative."""


def linked(metric: MappedMetric, a: Tensor, b: Tensor) -> Tensor:
    """The metric of rows that its maps have made: (n, m), (k, m) → (n, k). A gradient in a and b."""
    link = LINKS.get(metric.link_type)
    product: Tensor = _Product.apply(metric.product == "l2sq", link, a, b)
    if link is not None:
        return product
    found: Tensor = metric.link(product.clamp(min=0) if metric.product == "l2sq" else product)
    return found


class _Product(torch.autograd.Function):
    """a ⊙ b, and what a known link makes of it, in its place."""

    @staticmethod
    def forward(ctx: Any, squared: bool, link: Link | None, a: Tensor, b: Tensor) -> Tensor:
        out = a @ b.T  # (n, k)
        squares = ((a * a).sum(dim=1)[:, None], (b * b).sum(dim=1)) if squared else None
        for rows in blocks(out):
            some = out[rows]
            if squares is not None:
                some.mul_(-2).add_(squares[0][rows]).add_(squares[1])
            if link is not None:
                link.put(some)
        ctx.squared, ctx.link = squared, link
        ctx.save_for_backward(a, b, None if link is None else out)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[None, None, Tensor | None, Tensor | None]:
        a, b, out = ctx.saved_tensors
        if out is not None:
            of_product = torch.empty_like(out)
            for rows in blocks(out):
                of_product[rows] = ctx.link.back(out[rows], gradient[rows])
            gradient = of_product
        with torch.autocast(a.device.type, enabled=False):
            of_a = gradient @ b if ctx.needs_input_grad[2] else None
            of_b = gradient.T @ a if ctx.needs_input_grad[3] else None
        if ctx.squared:  # ‖a‖² + ‖b‖² − 2⟨a, b⟩
            of_a = None if of_a is None else 2 * (gradient.sum(dim=1)[:, None] * a - of_a)
            of_b = None if of_b is None else 2 * (gradient.sum(dim=0)[:, None] * b - of_b)
        return None, None, of_a, of_b
