"""Are two pictures of the same thing? ROC over all pairs, without keeping them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semelha.measures.blocks import Groups, Labels
from semelha.measures.pairs import BINS, PairCounts, count_pairs
from semelha.measures.resolution import measurable
from semelha.metrics import Metric

RATES = (1e-1, 1e-2, 1e-3, 1e-4)


@dataclass(frozen=True, eq=False)
class Verification:
    """What `verification` found.

    Attributes
    ----------
    far, tar : (points,) float64
        False and true acceptance rate as the threshold rises.
    thresholds : (points,) float64
        Distance up to which a pair is accepted at each point.
    tar_at_far : dict of float to (float or None)
        None where there are too few impostor pairs to measure the rate (fewer than one would be accepted).
    eer : float
        Where false acceptances and false rejections are equally frequent.
    auc : float
        Area under the ROC curve.
    mated, non_mated : int
        Number of pairs.
    """

    far: NDArray[np.float64]
    tar: NDArray[np.float64]
    thresholds: NDArray[np.float64]
    tar_at_far: dict[float, float | None]
    eer: float
    auc: float
    mated: int
    non_mated: int


def verification(
    vectors: NDArray[np.floating[Any]],
    labels: Labels,
    *,
    metric: Metric,
    groups: Groups = None,
    block: int = 1024,
    bins: int = BINS,
) -> Verification:
    """ROC over all pairs of pictures that are not of one group.

    Distances are counted in `bins` equal steps between the smallest and the largest; ties within a step count half in
    the area under the curve. Two passes, memory O(block · n + bins).

    Parameters
    ----------
    vectors : (n, d) float
    labels : (n,)
    metric : Metric
    groups : (n,), optional
    """
    counted = count_pairs(vectors, labels, metric=metric, groups=groups, bins=bins, block=block)
    return curve(counted)


def curve(found: PairCounts) -> Verification:
    """The ROC of pairs that are counted."""
    counts, edges = found.counts, found.edges
    mated, non_mated = (int(total) for total in counts.sum(axis=1))
    if not mated or not non_mated:
        return _nothing(mated, non_mated)
    rates = np.concatenate([np.zeros((2, 1)), np.cumsum(counts, axis=1) / [[mated], [non_mated]]], axis=1)
    kept = np.concatenate([[True], counts.any(axis=0)])
    tar, far, thresholds = rates[0, kept], rates[1, kept], edges[kept]
    at = {rate: float(np.interp(rate, far, tar)) if measurable(rate, non_mated) else None for rate in RATES}
    return Verification(
        far, tar, thresholds, at, equal_error(far, tar), float(np.trapezoid(tar, far)), mated, non_mated
    )


def equal_error(far: NDArray[np.float64], tar: NDArray[np.float64]) -> float:
    """Where false acceptances and false rejections are equally frequent on a ROC curve that begins at (0, 0)."""
    gap = far - (1 - tar)  # rises from −1 to 1
    after = int(np.argmax(gap >= 0))
    if after == 0:
        return float(far[0])
    step = gap[after] - gap[after - 1]
    part = -gap[after - 1] / step if step > 0 else 1.0
    return float(far[after - 1] + part * (far[after] - far[after - 1]))


def _nothing(mated: int = 0, non_mated: int = 0) -> Verification:
    nan = float("nan")
    empty = np.empty(0)
    return Verification(empty, empty, empty, dict.fromkeys(RATES), nan, nan, mated, non_mated)
