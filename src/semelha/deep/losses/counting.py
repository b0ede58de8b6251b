"""Triplets counted without forming any: in how many of them each pair stands, by sorting the positives of an anchor.

Row by row the positives are sorted, each negative is placed among them (`searchsorted`), and a running sum of how many
were placed where tells each positive the number of negatives within its reach: O(batch² log batch) time for batch³
triplets, and O(batch²) memory.
"""

from __future__ import annotations

import torch
from torch import Tensor

from semelha.deep.losses.blocks import parts
from semelha.deep.losses.masks import counts, slots
from semelha.deep.losses.pairs import Pairs


@torch.no_grad()
def triplets_within(reach: float, pairs: Pairs, *, ties: bool = False) -> Tensor:
    """How often each pair is the positive of a triplet with d(a, n) − reach < d(a, p), less how often its negative.

    (anchors, references), whole numbers in the precision of the distances. With `ties`, ≤ instead of <.
    """
    weights = torch.empty_like(pairs.distance)
    for out, *rows in parts(weights, pairs.distance.detach(), pairs.positive, pairs.negative):
        out.copy_(_within(reach, *rows, ties=ties))
    return weights


def _within(reach: float, distance: Tensor, positive: Tensor, negative: Tensor, *, ties: bool) -> Tensor:
    places, there = slots(positive)  # (n, most)
    most = places.shape[1]
    if most == 1:  # as minings leave it that choose one: nothing to sort
        near, far = distance - reach, distance.gather(1, places)
        reached = negative & there & ((near <= far) if ties else (near < far))
        number = counts(reached)[:, None].to(distance.dtype)
        return reached.to(distance.dtype).neg_().scatter_add_(1, places, number)
    far, order = torch.where(there, distance.gather(1, places), -torch.inf).sort(dim=1)
    near = distance - reach
    behind = torch.searchsorted(far, near, right=not ties)  # positives too near for each d(a, n): (n, m)
    first = torch.zeros(len(far), most + 1, dtype=distance.dtype, device=distance.device)
    first.scatter_add_(1, behind, negative.to(distance.dtype))  # negatives by the first positive that reaches them
    as_positive = torch.where(far > -torch.inf, first.cumsum(dim=1)[:, :most], 0.0)
    weights = torch.where(negative, behind - most, 0).to(distance.dtype)
    return weights.scatter_add_(1, places.gather(1, order), as_positive)
