"""How far a figure could be off, had other subjects been photographed: the bootstrap by subject.

Pictures of one subject are hard or easy together, so that it is subjects that are drawn, with replacement, each with
all its pictures (Bolle, Ratha and Pankanti, 2004). Nothing is searched again: what a draw changes is how often each
subject counts. A mated pair counts as often as its subject, a non-mated one as often as the product of its two (the
vertex bootstrap: Fogliato, Patil and Perona, 2024).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from semelha.measures.pairs import PairSample
from semelha.measures.verification import equal_error

LEVEL = 0.95
ROUNDING = 1e-12  # by which sums of one thing may differ
FOUND = 1 << 21  # numbers in memory at a time

Weights = NDArray[np.float32]
Places = NDArray[np.int64]
Draws = NDArray[np.float64]


class Interval(NamedTuple):
    """From the 2.5th to the 97.5th percentile of the draws."""

    low: float
    high: float


def multiplicities(subjects: int, draws: int, random: np.random.Generator) -> Weights:
    """How often each subject is drawn, in `draws` draws of as many as there are: (draws, subjects) float32."""
    drawn = random.integers(0, max(1, subjects), (draws, subjects))
    weights = np.empty((draws, subjects), np.float32)
    for row, one in zip(weights, drawn, strict=True):
        row[:] = np.bincount(one, minlength=subjects)
    return weights


def interval(values: Draws, point: float | None, *, subjects: int | None = None) -> Interval | None:
    """Percentiles of the draws around a figure.

    Parameters
    ----------
    values : (draws,) float64
        NaN where a draw had nothing to measure; such draws are left out.
    point : float or None
        The figure itself.
    subjects : int, optional
        Given for a rate: where it is 0 or 1 the draws cannot spread, and the exact binomial bound for so many subjects
        (Clopper and Pearson, 1934) takes their place.

    Returns
    -------
    Interval or None
        None where the figure is not measured, or half of the draws are not, or they do not spread and it is no rate.
    """
    measured = values[np.isfinite(values)]
    if point is None or not np.isfinite(point) or 2 * len(measured) <= len(values):
        return None
    low, high = (float(value) for value in np.quantile(measured, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]))
    if subjects is not None and point in (0, 1):
        away = 1 - ((1 - LEVEL) / 2) ** (1 / max(1, subjects))
        return Interval(0.0, max(high, away)) if point == 0 else Interval(min(low, 1 - away), 1.0)
    return None if high - low < ROUNDING else Interval(low, high)


def means(values: NDArray[Any], subject: Places, weights: Weights) -> Draws:
    """The mean over pictures in each draw: (n,), (n,), (draws, subjects) → (draws,)."""
    sums = np.bincount(subject, values, minlength=weights.shape[1])
    counts = np.bincount(subject, minlength=weights.shape[1])
    with np.errstate(invalid="ignore"):
        return np.asarray((weights @ sums) / (weights @ counts.astype(np.float64)), np.float64)


class OpenDraws(NamedTuple):
    """Figures of the open set in each draw."""

    fnir_at_fpir: dict[float, Draws]
    auroc: Draws
    oscr: Draws


def open_set_draws(
    mated: NDArray[np.float64],
    right: NDArray[np.bool_],
    mated_subject: Places,
    strangers: NDArray[np.float64],
    stranger_subject: Places,
    weights: tuple[Weights, Weights],
    fpirs: tuple[float, ...],
) -> OpenDraws:
    """What `open_set`, `auroc` and `oscr` would give in each draw, from one sorting.

    Parameters
    ----------
    mated, right, mated_subject : (m,)
        As for `open_set`, and the number of each probe's subject.
    strangers, stranger_subject : (n,)
    weights : (draws, subjects), (draws, strangers)
        How often the former and the latter count.
    fpirs : tuple of float
    """
    order = np.argsort(strangers, kind="stable")
    strangers, stranger_subject = strangers[order], stranger_subject[order]
    by_distance = np.argsort(mated, kind="stable")
    mated, right, mated_subject = mated[by_distance], right[by_distance], mated_subject[by_distance]
    before, upto = (np.searchsorted(strangers, mated, side=side) for side in ("left", "right"))
    nearer = np.searchsorted(mated, strangers, side="left")  # mated probes that are nearer than each stranger
    draws = len(weights[0])
    fnir = {rate: np.empty(draws) for rate in fpirs}
    known, named = np.empty(draws), np.empty(draws)
    step = max(1, FOUND // max(1, len(mated) + len(strangers)))
    for start in range(0, draws, step):
        rows = slice(start, start + step)
        of_mated = weights[0][rows][:, mated_subject].astype(np.float64)
        passed = _cumulated(weights[1][rows][:, stranger_subject])  # (draws, n + 1)
        accepted = _cumulated(of_mated * right)  # (draws, m + 1)
        total, strange = of_mated.sum(axis=1), passed[:, -1]
        for rate in fpirs:
            first = np.array([np.searchsorted(row[1:], rate * row[-1] + 1e-6, side="right") for row in passed])
            reach = np.append(nearer, len(mated))[first]
            fnir[rate][rows] = 1 - np.take_along_axis(accepted, reach[:, None], axis=1)[:, 0] / total
        farther = 1 - (passed[:, before] + passed[:, upto]) / (2 * strange[:, None])
        known[rows] = (of_mated * farther).sum(axis=1) / total
        named[rows] = (of_mated * farther * right).sum(axis=1) / total
    return OpenDraws(fnir, known, named)


def _cumulated(weights: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Cumulative sums of rows, from 0: (draws, n) → (draws, n + 1)."""
    return np.concatenate([np.zeros((len(weights), 1)), np.cumsum(weights, axis=1, dtype=np.float64)], axis=1)


class PairDraws(NamedTuple):
    """Figures of verification in each draw."""

    tar_at_far: dict[float, Draws]
    eer: Draws
    auc: Draws


def pair_draws(sample: PairSample, weights: Weights, rates: tuple[float, ...]) -> PairDraws:
    """ROC in each draw, its points the bounds of the strata.

    Parameters
    ----------
    sample : PairSample
    weights : (draws, subjects)
    rates : tuple of float
        False acceptance rates.
    """
    of_subject = np.ascontiguousarray(weights.T)  # (subjects, draws)
    mated = sample.mated @ of_subject  # (strata, draws)
    non_mated = np.empty((len(sample.non_mated), weights.shape[0]))
    for stratum, (start, end) in enumerate(zip(sample.starts[:-1], sample.starts[1:], strict=True)):
        some = np.einsum("pd,pd->d", of_subject[sample.first[start:end]], of_subject[sample.second[start:end]])
        there = int(sample.non_mated[stratum])
        non_mated[stratum] = some * (there / (end - start)) if end > start else there
    draws = weights.shape[0]
    tar_at = {rate: np.full(draws, np.nan) for rate in rates}
    eer, auc = np.full(draws, np.nan), np.full(draws, np.nan)
    for draw, (up, across) in enumerate(zip(_cumulated(mated.T), _cumulated(non_mated.T), strict=True)):
        if up[-1] and across[-1]:
            tar, far = up / up[-1], across / across[-1]
            eer[draw], auc[draw] = equal_error(far, tar), np.trapezoid(tar, far)
            for rate in rates:
                tar_at[rate][draw] = np.interp(rate, far, tar)
    return PairDraws(tar_at, eer, auc)
