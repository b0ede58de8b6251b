"""Matrices of all pairs, made and differentiated some rows at a time, and what is computed of them.

Autograd keeps several matrices for one of distances, and makes several more on the way. Here it is as few as can be,
and what is made on the way is small enough to stay in the cache of a processor, which is quicker too. Differentiable
once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.utils.checkpoint import checkpoint

from semelha.deep.losses.masks import LOW, slots

ROWS = 64
MANY = 256  # where each block of rows costs some time by itself
ON_A_CARD = 4096  # of a graphics card, which is at its best with much at a time


def in_blocks(pairwise: Callable[[Tensor, Tensor], Tensor], q: Tensor, s: Tensor, rows: int | None = None) -> Tensor:
    """`pairwise(q, s)`, so many rows of q at a time: (n, d), (k, d) → (n, k). A gradient in q and s alone."""
    found: Tensor = _InBlocks.apply(pairwise, q, s, rows)
    return found


def log_sum_where(x: Tensor, mask: Tensor, scale: float = 1.0) -> Tensor:
    """log Σ exp(scale · x) over the columns under the mask: (n, m) → (n,), about `LOW` where a row has none."""
    found: Tensor = _LogSum.apply(x, mask, scale, None)[0]
    return found


def log_sum_and_few(x: Tensor, mask: Tensor, scale: float, few: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """`log_sum_where`, and beside it the numbers under another mask that has few in each row, such as the positives.

    (n,), then (n, most): those numbers side by side, and which are there, bool.
    """
    places, there = slots(few)
    found, values = _LogSum.apply(x, mask, scale, places)
    return found, values, there


def by_rows(function: Callable[..., Tensor], *matrices: Tensor, copies: int = 1) -> Tensor:
    """What a function of rows alone makes of them, some at a time: (n, …) each → (n, …).

    With `copies`, fewer rows at a time, as for a function that makes so many numbers of each.
    """
    some = parts(*matrices, copies=copies)
    return torch.cat([checkpoint(function, *part, use_reentrant=False, preserve_rng_state=False) for part in some])


def parts(*matrices: Tensor, copies: int = 1) -> Iterator[tuple[Tensor, ...]]:
    """The matrices, some of their rows at a time: (n, …) each → (rows, …) each."""
    rows = max(1, (MANY if matrices[0].device.type == "cpu" else ON_A_CARD) // copies)
    return zip(*(torch.split(matrix, rows) for matrix in matrices), strict=True)


def blocks(x: Tensor, rows: int | None = None) -> Iterator[slice]:
    """The rows of `x`, some at a time."""
    rows = rows or (ROWS if x.device.type == "cpu" else ON_A_CARD)
    return (slice(start, start + rows) for start in range(0, len(x), rows))


class _InBlocks(torch.autograd.Function):
    """Nothing is kept: what a gradient needs is made again."""

    @staticmethod
    def forward(
        ctx: Any, pairwise: Callable[[Tensor, Tensor], Tensor], q: Tensor, s: Tensor, rows: int | None
    ) -> Tensor:
        ctx.pairwise, ctx.rows = pairwise, rows
        ctx.save_for_backward(q, s)
        out = q.new_empty(len(q), len(s))
        for some in blocks(q, rows):
            out[some] = pairwise(q[some], s)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[None, Tensor, Tensor | None, None]:
        q, s = ctx.saved_tensors
        s = s.detach().requires_grad_(ctx.needs_input_grad[2])
        of_q = torch.empty_like(q)
        for rows in blocks(q, ctx.rows):
            with torch.enable_grad(), torch.autocast(q.device.type, enabled=False):
                some = q[rows].detach().requires_grad_()
                found = ctx.pairwise(some, s)
            torch.autograd.backward(found, gradient[rows])
            of_q[rows] = some.grad
        return None, of_q, s.grad, None


class _LogSum(torch.autograd.Function):
    """The shares of a softmax are kept: all that its logarithm's gradient needs."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, mask: Tensor, scale: float, places: Tensor | None) -> tuple[Tensor, Tensor | None]:
        out, shares = x.new_empty(len(x)), torch.empty_like(x)
        for rows in blocks(x):
            scores = torch.where(mask[rows], scale * x[rows], LOW)
            share = scores.softmax(dim=1)
            # The largest score has the largest share, 1 / Σ exp(score − largest).
            out[rows] = scores.amax(dim=1) - share.amax(dim=1).log()
            shares[rows] = share
        ctx.save_for_backward(shares, out, places)
        ctx.scale = scale
        return out, None if places is None else x.gather(1, places)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor, of_few: Tensor | None) -> tuple[Tensor, None, None, None]:
        shares, out, places = ctx.saved_tensors
        # Where a row has none under the mask, all columns have a share.
        of_x = shares * torch.where(out > LOW / 2, ctx.scale * gradient, 0.0)[:, None]
        if of_few is not None:
            of_x.scatter_add_(1, places, of_few)
        return of_x, None, None, None
