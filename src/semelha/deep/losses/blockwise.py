"""Masked sums, and operations on distance matrices in blocks of rows, which saves memory.

Autograd keeps several matrices of the size of the distances. These functions keep as few as possible, and their
intermediate results fit in a processor's cache, which is faster too. They can be differentiated once. Results are
finite, with gradient 0, if a mask is empty.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.utils.checkpoint import checkpoint

LOW = -1e30
"""A score whose exponential is 0, with a finite gradient, which −∞ does not have."""


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Mean of the values under the mask, a scalar; 0 if the mask is empty."""
    return torch.where(mask, values, 0.0).sum() / mask.sum().clamp(min=1)


def row_counts(mask: Tensor) -> Tensor:
    """Number of True in each row: (n, m) bool → (n,) int64. By blocks, because torch would copy the whole mask."""
    return torch.cat([rows.sum(dim=1) for rows in torch.split(mask, 64)])


def dot(weights: Tensor, distance: Tensor) -> Tensor:
    """Σ w d over all elements, a scalar: a sum of hinges, w being how often each distance is in an active one."""
    return torch.dot(weights.reshape(-1), distance.reshape(-1))


def masked_columns(mask: Tensor) -> tuple[Tensor, Tensor]:
    """Collect the columns of each row under the mask: (n, m) bool → columns (n, most) int64, filled (n, most) bool.

    `most` is the largest number in a row, at least 1. Columns that are not filled are 0.
    """
    row, column = mask.nonzero(as_tuple=True)
    count = torch.bincount(row, minlength=len(mask))  # (n,)
    most = max(1, int(count.max())) if len(mask) else 1
    slot = torch.arange(len(row), device=mask.device) - (count.cumsum(0) - count)[row]
    columns = torch.zeros(len(mask), most, dtype=torch.int64, device=mask.device)
    columns[row, slot] = column
    return columns, torch.arange(most, device=mask.device) < count[:, None]


def gather_masked(distance: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Collect the distances of each row under a mask with few True: (n, m) → distances and filled, each (n, most)."""
    columns, filled = masked_columns(mask)
    return distance.gather(1, columns), filled


BLOCK_ROWS = 64
CHUNK_ROWS = 256  # where each block of rows has a fixed cost
GPU_ROWS = 4096  # a GPU is fastest with large blocks


def pairwise_in_blocks(
    pairwise: Callable[[Tensor, Tensor], Tensor], q: Tensor, s: Tensor, rows: int | None = None
) -> Tensor:
    """Compute `pairwise(q, s)` for blocks of rows of q: (n, d), (k, d) → (n, k). Only q and s get a gradient."""
    distances: Tensor = _PairwiseInBlocks.apply(pairwise, q, s, rows)
    return distances


def masked_logsumexp(x: Tensor, mask: Tensor, scale: float = 1.0) -> Tensor:
    """Compute log Σ exp(scale · x) over the columns under the mask: (n, m) → (n,), about `LOW` for an empty row."""
    total: Tensor = _MaskedLogSumExp.apply(x, mask, scale, None)[0]
    return total


def masked_logsumexp_and_gather(x: Tensor, mask: Tensor, scale: float, few: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Compute `masked_logsumexp(x, mask, scale)`, and `gather_masked(x, few)` with one gradient matrix for both.

    Returns (n,), then values and filled, each (n, most).
    """
    columns, filled = masked_columns(few)
    total, values = _MaskedLogSumExp.apply(x, mask, scale, columns)
    return total, values, filled


def apply_by_rows(function: Callable[..., Tensor], *matrices: Tensor, copies: int = 1) -> Tensor:
    """Apply a function of rows to chunks of rows, recomputing it in the backward pass: (n, …) each → (n, …).

    `copies` is the number of intermediate copies of a row that the function makes: chunks become smaller by it.
    """
    chunks = split_rows(*matrices, copies=copies)
    return torch.cat([checkpoint(function, *chunk, use_reentrant=False, preserve_rng_state=False) for chunk in chunks])


def split_rows(*matrices: Tensor, copies: int = 1) -> Iterator[tuple[Tensor, ...]]:
    """Split matrices into chunks of the same rows: (n, …) each → (rows, …) each."""
    rows = max(1, (CHUNK_ROWS if matrices[0].device.type == "cpu" else GPU_ROWS) // copies)
    return zip(*(torch.split(matrix, rows) for matrix in matrices), strict=True)


def row_blocks(x: Tensor, rows: int | None = None) -> Iterator[slice]:
    """Slices of the rows of `x`, block by block."""
    rows = rows or (BLOCK_ROWS if x.device.type == "cpu" else GPU_ROWS)
    return (slice(start, start + rows) for start in range(0, len(x), rows))


class _PairwiseInBlocks(torch.autograd.Function):
    """Keeps only q and s: the backward pass computes the distances again."""

    @staticmethod
    def forward(
        ctx: Any, pairwise: Callable[[Tensor, Tensor], Tensor], q: Tensor, s: Tensor, rows: int | None
    ) -> Tensor:
        ctx.pairwise, ctx.rows = pairwise, rows
        ctx.save_for_backward(q, s)
        out = q.new_empty(len(q), len(s))
        for block in row_blocks(q, rows):
            out[block] = pairwise(q[block], s)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[None, Tensor, Tensor | None, None]:
        q, s = ctx.saved_tensors
        s = s.detach().requires_grad_(ctx.needs_input_grad[2])
        q_gradient = torch.empty_like(q)
        for block in row_blocks(q, ctx.rows):
            with torch.enable_grad(), torch.autocast(q.device.type, enabled=False):
                rows = q[block].detach().requires_grad_()
                distances = ctx.pairwise(rows, s)
            torch.autograd.backward(distances, gradient[block])
            q_gradient[block] = rows.grad
        return None, q_gradient, s.grad, None


class _MaskedLogSumExp(torch.autograd.Function):
    """Keeps the softmax alone: it is the gradient."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, mask: Tensor, scale: float, columns: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        out, softmax = x.new_empty(len(x)), torch.empty_like(x)
        for block in row_blocks(x):
            scores = torch.where(mask[block], scale * x[block], LOW)
            shares = scores.softmax(dim=1)
            # The largest score has the largest share, 1 / Σ exp(score − largest).
            out[block] = scores.amax(dim=1) - shares.amax(dim=1).log()
            softmax[block] = shares
        ctx.save_for_backward(softmax, out, columns)
        ctx.scale = scale
        return out, None if columns is None else x.gather(1, columns)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor, gathered: Tensor | None) -> tuple[Tensor, None, None, None]:
        softmax, out, columns = ctx.saved_tensors
        # In a row without a True, every column has a share: no gradient there.
        x_gradient = softmax * torch.where(out > LOW / 2, ctx.scale * gradient, 0.0)[:, None]
        if gathered is not None:
            x_gradient.scatter_add_(1, columns, gathered)
        return x_gradient, None, None, None
