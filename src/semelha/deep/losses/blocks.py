"""Matrices of all pairs, made and differentiated some rows at a time.

Autograd keeps several matrices for one of distances, and makes several more on the way. Here it is one or none, and
what is made on the way is small enough to stay in the cache of a processor, which is quicker too. Differentiable once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.utils.checkpoint import checkpoint

from semelha.deep.losses.masks import LOW
from semelha.metrics import MappedMetric

ROWS = 64
MANY = 256  # where each block of rows costs some time by itself
ON_A_CARD = 4096  # of a graphics card, which is at its best with much at a time

Pairwise = Callable[[Tensor, Tensor], Tensor]


def linked(metric: MappedMetric, a: Tensor, b: Tensor) -> Tensor:
    """The metric of rows that its maps have made: (n, m), (k, m) → (n, k). A gradient in a and b."""
    found: Tensor = _Linked.apply(metric, a, b)
    return found


def in_blocks(pairwise: Pairwise, q: Tensor, s: Tensor, rows: int | None = None) -> Tensor:
    """`pairwise(q, s)`, so many rows of q at a time: (n, d), (k, d) → (n, k). A gradient in q and s alone."""
    found: Tensor = _InBlocks.apply(pairwise, q, s, rows)
    return found


def log_sum_where(x: Tensor, mask: Tensor, scale: float = 1.0) -> Tensor:
    """log Σ exp(scale · x) over the columns under the mask: (n, m) → (n,), about `LOW` where a row has none."""
    found: Tensor = _LogSum.apply(x, mask, scale)
    return found


def by_rows(function: Callable[..., Tensor], *matrices: Tensor) -> Tensor:
    """What a function of rows alone makes of them, some at a time: (n, …) each → (n,)."""
    made = [checkpoint(function, *part, use_reentrant=False, preserve_rng_state=False) for part in parts(*matrices)]
    return torch.cat(made)


def parts(*matrices: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """The matrices, some of their rows at a time: (n, …) each → (rows, …) each."""
    rows = MANY if matrices[0].device.type == "cpu" else ON_A_CARD
    return zip(*(torch.split(matrix, rows) for matrix in matrices), strict=True)


def _blocks(x: Tensor, rows: int | None = None) -> Iterator[slice]:
    rows = rows or (ROWS if x.device.type == "cpu" else ON_A_CARD)
    return (slice(start, start + rows) for start in range(0, len(x), rows))


class _Linked(torch.autograd.Function):
    """link(a ⊙ b). The derivative of ⊙ is two matrix products; that of the link is autograd's."""

    @staticmethod
    def forward(ctx: Any, metric: MappedMetric, a: Tensor, b: Tensor) -> Tensor:
        product = a @ b.T  # (n, k)
        out = torch.empty_like(product)
        squares = (a * a).sum(dim=1)[:, None], (b * b).sum(dim=1)
        for rows in _blocks(a):
            if metric.product == "l2sq":
                product[rows].mul_(-2).add_(squares[0][rows]).add_(squares[1])
            out[rows] = _link(metric, product[rows])
        ctx.save_for_backward(a, b, product)
        ctx.metric = metric
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[None, Tensor | None, Tensor | None]:
        a, b, product = ctx.saved_tensors
        of_product = torch.empty_like(product)
        for rows in _blocks(a):
            some = product[rows].detach().requires_grad_()
            with torch.enable_grad():
                found = _link(ctx.metric, some)
            (of_product[rows],) = torch.autograd.grad(found, some, gradient[rows])
        with torch.autocast(a.device.type, enabled=False):
            of_a = of_product @ b if ctx.needs_input_grad[1] else None
            of_b = of_product.T @ a if ctx.needs_input_grad[2] else None
        if ctx.metric.product == "l2sq":  # of ‖a‖² + ‖b‖² − 2⟨a, b⟩
            of_a = None if of_a is None else 2 * (of_product.sum(dim=1)[:, None] * a - of_a)
            of_b = None if of_b is None else 2 * (of_product.sum(dim=0)[:, None] * b - of_b)
        return None, of_a, of_b


def _link(metric: MappedMetric, product: Tensor) -> Tensor:
    found: Tensor = metric.link(product.clamp(min=0) if metric.product == "l2sq" else product)
    return found


class _InBlocks(torch.autograd.Function):
    """Nothing is kept: what a gradient needs is made again."""

    @staticmethod
    def forward(ctx: Any, pairwise: Pairwise, q: Tensor, s: Tensor, rows: int | None) -> Tensor:
        ctx.pairwise, ctx.rows = pairwise, rows
        ctx.save_for_backward(q, s)
        out = q.new_empty(len(q), len(s))
        for some in _blocks(q, rows):
            out[some] = pairwise(q[some], s)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[None, Tensor, Tensor | None, None]:
        q, s = ctx.saved_tensors
        s = s.detach().requires_grad_(ctx.needs_input_grad[2])
        of_q = torch.empty_like(q)
        for rows in _blocks(q, ctx.rows):
            with torch.enable_grad(), torch.autocast(q.device.type, enabled=False):
                some = q[rows].detach().requires_grad_()
                found = ctx.pairwise(some, s)
            torch.autograd.backward(found, gradient[rows])
            of_q[rows] = some.grad
        return None, of_q, s.grad, None


class _LogSum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, mask: Tensor, scale: float) -> Tensor:
        out = x.new_empty(len(x))
        for rows in _blocks(x):
            out[rows] = torch.where(mask[rows], scale * x[rows], LOW).logsumexp(dim=1)
        ctx.save_for_backward(x, mask, out)
        ctx.scale = scale
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        x, mask, out = ctx.saved_tensors
        of_x = torch.empty_like(x)
        for rows in _blocks(x):
            share = torch.exp(ctx.scale * x[rows] - out[rows, None])  # infinite where the mask is not, at most
            of_x[rows] = torch.where(mask[rows], share * (ctx.scale * gradient[rows, None]), 0.0)
        return of_x, None, None
