"""Confidence intervals by bootstrap over subjects.

Pictures of one subject are hard or easy together. So subjects are resampled with replacement, each with all its
pictures (Bolle, Ratha and Pankanti, 2004). A resample only changes how often each subject counts; nothing is searched
again. A mated pair counts as often as its subject, a non-mated pair the product of its two subjects' counts (the vertex
bootstrap: Fogliato, Patil and Perona, 2024).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from semelha.measures.pairs import PairSample
from semelha.measures.search import Indices
from semelha.measures.verification import equal_error_rate

CONFIDENCE = 0.95
ROUNDING = 1e-12  # difference between sums of the same numbers
NUMBERS_IN_MEMORY = 1 << 21

Weights = NDArray[np.float32]
Values = NDArray[np.float64]


class Interval(NamedTuple):
    """The 2.5th and the 97.5th percentile of the resampled values."""

    low: float
    high: float


def resample_weights(subjects: int, resamples: int, random: np.random.Generator) -> Weights:
    """How often each subject is drawn, with replacement, in each resample: (resamples, subjects) float32."""
    drawn = random.integers(0, max(1, subjects), (resamples, subjects))
    weights = np.empty((resamples, subjects), np.float32)
    for row, one in zip(weights, drawn, strict=True):
        row[:] = np.bincount(one, minlength=subjects)
    return weights


def percentile_interval(values: Values, point: float | None, *, subjects: int | None = None) -> Interval | None:
    """The 95% interval of a figure `point` from its values in the resamples, of which those that are NaN are left out.

    `subjects` is for a rate: resamples of 0 or 1 cannot vary, so the exact binomial bound for so many subjects is used
    (Clopper and Pearson, 1934). None if the figure is not measured, or in half of the resamples, or if a figure that is
    no rate does not vary.
    """
    measured = values[np.isfinite(values)]
    if point is None or not np.isfinite(point) or 2 * len(measured) <= len(values):
        return None
    low, high = (float(value) for value in np.quantile(measured, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2]))
    if subjects is not None and point in (0, 1):
        bound = 1 - ((1 - CONFIDENCE) / 2) ** (1 / max(1, subjects))
        return Interval(0.0, max(high, bound)) if point == 0 else Interval(min(low, 1 - bound), 1.0)
    return None if high - low < ROUNDING else Interval(low, high)


def weighted_means(values: NDArray[Any], subject: Indices, weights: Weights) -> Values:
    """The mean over pictures in each resample: (n,), (n,), (resamples, subjects) → (resamples,)."""
    sums = np.bincount(subject, values, minlength=weights.shape[1])
    counts = np.bincount(subject, minlength=weights.shape[1])
    with np.errstate(invalid="ignore"):
        return np.asarray((weights @ sums) / (weights @ counts.astype(np.float64)), np.float64)


class OpenSetValues(NamedTuple):
    """Open-set figures in each resample."""

    fnir_at_fpir: dict[float, Values]
    auroc: Values
    oscr: Values


def resample_open_set(
    mated: NDArray[np.float64],
    correct: NDArray[np.bool_],
    mated_subject: Indices,
    non_mated: NDArray[np.float64],
    non_mated_subject: Indices,
    weights: tuple[Weights, Weights],
    fpirs: tuple[float, ...],
) -> OpenSetValues:
    """Compute `open_set`, `auroc` and `oscr` in each resample, with one sort.

    Arrays are (m,) for mated probes and (n,) for the others, weights (resamples, subjects) of either.
    """
    order = np.argsort(non_mated, kind="stable")
    non_mated, non_mated_subject = non_mated[order], non_mated_subject[order]
    order = np.argsort(mated, kind="stable")
    mated, correct, mated_subject = mated[order], correct[order], mated_subject[order]
    before, up_to = (np.searchsorted(non_mated, mated, side=side) for side in ("left", "right"))
    nearer = np.searchsorted(mated, non_mated, side="left")  # mated probes that are nearer than each non-mated one
    resamples = len(weights[0])
    fnir = {rate: np.empty(resamples) for rate in fpirs}
    auroc, oscr = np.empty(resamples), np.empty(resamples)
    step = max(1, NUMBERS_IN_MEMORY // max(1, len(mated) + len(non_mated)))
    for start in range(0, resamples, step):
        rows = slice(start, start + step)
        of_mated = weights[0][rows][:, mated_subject].astype(np.float64)
        false_positives = _cumulative_sums(weights[1][rows][:, non_mated_subject])  # (resamples, n + 1)
        accepted = _cumulative_sums(of_mated * correct)  # (resamples, m + 1)
        total, total_non_mated = of_mated.sum(axis=1), false_positives[:, -1]
        for rate in fpirs:
            first = np.array([np.searchsorted(row[1:], rate * row[-1] + 1e-6, side="right") for row in false_positives])
            reach = np.append(nearer, len(mated))[first]
            fnir[rate][rows] = 1 - np.take_along_axis(accepted, reach[:, None], axis=1)[:, 0] / total
        farther = 1 - (false_positives[:, before] + false_positives[:, up_to]) / (2 * total_non_mated[:, None])
        auroc[rows] = (of_mated * farther).sum(axis=1) / total
        oscr[rows] = (of_mated * farther * correct).sum(axis=1) / total
    return OpenSetValues(fnir, auroc, oscr)


class PairValues(NamedTuple):
    """Verification figures in each resample."""

    tar_at_far: dict[float, Values]
    eer: Values
    auc: Values


def resample_pairs(sample: PairSample, weights: Weights, fars: tuple[float, ...]) -> PairValues:
    """Compute the ROC in each resample, with the bounds of the strata as its points. Weights: (resamples, subjects)."""
    of_subject = np.ascontiguousarray(weights.T)  # (subjects, resamples)
    mated = sample.mated @ of_subject  # (strata, resamples)
    resamples = weights.shape[0]
    non_mated = np.empty((len(sample.non_mated), resamples))
    for stratum, (start, end) in enumerate(zip(sample.starts[:-1], sample.starts[1:], strict=True)):
        sampled = np.einsum("pd,pd->d", of_subject[sample.first[start:end]], of_subject[sample.second[start:end]])
        number = int(sample.non_mated[stratum])
        non_mated[stratum] = sampled * (number / (end - start)) if end > start else number
    tar_at = {rate: np.full(resamples, np.nan) for rate in fars}
    eer, auc = np.full(resamples, np.nan), np.full(resamples, np.nan)
    curves = zip(_cumulative_sums(mated.T), _cumulative_sums(non_mated.T), strict=True)
    for resample, (true, false) in enumerate(curves):
        if true[-1] and false[-1]:
            tar, far = true / true[-1], false / false[-1]
            eer[resample], auc[resample] = equal_error_rate(far, tar), np.trapezoid(tar, far)
            for rate in fars:
                tar_at[rate][resample] = np.interp(rate, far, tar)
    return PairValues(tar_at, eer, auc)


def _cumulative_sums(weights: NDArray[np.floating[Any]]) -> Values:
    """Cumulative sums of rows, from 0: (resamples, n) → (resamples, n + 1)."""
    return np.concatenate([np.zeros((len(weights), 1)), np.cumsum(weights, axis=1, dtype=np.float64)], axis=1)
