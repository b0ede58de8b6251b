"""Counts of the triplets that each pair is part of, by sorting: no triplet is formed.

The positives of each anchor are sorted, each negative is located among them (`searchsorted`), and a cumulative sum
gives each positive its number of negatives within reach: O(batch² log batch) time for batch³ triplets, and O(batch²)
memory.
"""

from __future__ import annotations

import torch
from torch import Tensor

from semelha.deep.losses.blockwise import split_rows
from semelha.deep.losses.masked import masked_columns, row_counts
from semelha.deep.losses.pairs import Pairs


@torch.no_grad()
def count_triplets(reach: float, pairs: Pairs, *, ties: bool = False) -> Tensor:
    """Count for each pair the triplets with d(a, n) − reach < d(a, p) it is positive in, minus those it is negative in.

    Returns (anchors, references), whole numbers in the dtype of the distances. With `ties`, ≤ instead of <.
    """
    counts = torch.empty_like(pairs.distance)
    for out, *rows in split_rows(counts, pairs.distance.detach(), pairs.positive, pairs.negative):
        out.copy_(_count(reach, *rows, ties=ties))
    return counts


def _count(reach: float, distance: Tensor, positive: Tensor, negative: Tensor, *, ties: bool) -> Tensor:
    columns, filled = masked_columns(positive)  # (n, most)
    most = columns.shape[1]
    near = distance - reach
    if most == 1:  # as after a mining of one positive: nothing to sort
        far = distance.gather(1, columns)
        within = negative & filled & ((near <= far) if ties else (near < far))
        number = row_counts(within)[:, None].to(distance.dtype)
        return within.to(distance.dtype).neg_().scatter_add_(1, columns, number)
    far, order = torch.where(filled, distance.gather(1, columns), -torch.inf).sort(dim=1)
    behind = torch.searchsorted(far, near, right=not ties)  # positives that are too near for each d(a, n): (n, m)
    first = torch.zeros(len(far), most + 1, dtype=distance.dtype, device=distance.device)
    first.scatter_add_(1, behind, negative.to(distance.dtype))  # negatives by the first positive that reaches them
    as_positive = torch.where(far > -torch.inf, first.cumsum(dim=1)[:, :most], 0.0)
    counts = torch.where(negative, behind - most, 0).to(distance.dtype)
    return counts.scatter_add_(1, columns.gather(1, order), as_positive)
