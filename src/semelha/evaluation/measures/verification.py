"""Are two pictures of the same thing? ROC over all pairs, without keeping them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semelha.evaluation.measures.blocks import Groups, Labels, blocks
from semelha.metrics import Metric

BINS = 1 << 16
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

    def pairs() -> Any:
        for part in blocks(vectors, labels, None, None, metric=metric, query_groups=groups, size=block):
            later = np.arange(part.distances.shape[1])[None, :] > part.start + np.arange(len(part.distances))[:, None]
            counted = part.allowed & later
            yield part.distances[counted & part.same], part.distances[counted & ~part.same]

    low, high = np.inf, -np.inf
    for both in pairs():
        for values in both:
            if len(values):
                low, high = min(low, float(values.min())), max(high, float(values.max()))
    if not np.isfinite(low):
        return _nothing()
    edges = np.linspace(low, high if high > low else low + 1e-6, bins + 1)
    counts = np.zeros((2, bins), np.int64)
    for both in pairs():
        for row, values in zip(counts, both, strict=True):
            place = ((values - edges[0]) * (bins / (edges[-1] - edges[0]))).astype(np.int64)
            row += np.bincount(np.clip(place, 0, bins - 1), minlength=bins)
    return _curve(counts, edges)


def _curve(counts: NDArray[np.int64], edges: NDArray[np.float64]) -> Verification:
    mated, non_mated = (int(total) for total in counts.sum(axis=1))
    if not mated or not non_mated:
        return _nothing(mated, non_mated)
    rates = np.concatenate([np.zeros((2, 1)), np.cumsum(counts, axis=1) / [[mated], [non_mated]]], axis=1)
    kept = np.concatenate([[True], counts.any(axis=0)])
    tar, far, thresholds = rates[0, kept], rates[1, kept], edges[kept]
    at = {rate: float(np.interp(rate, far, tar)) if rate * non_mated >= 1 else None for rate in RATES}
    return Verification(
        far, tar, thresholds, at, _equal_error(far, tar), float(np.trapezoid(tar, far)), mated, non_mated
    )


def _equal_error(far: NDArray[np.float64], tar: NDArray[np.float64]) -> float:
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
