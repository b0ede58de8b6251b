"""Calibration of probabilities: reliability curve, expected calibration error and Brier score."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semelha.measures.bootstrap import CONFIDENCE, ROUNDING, Interval, Values, Weights
from semelha.measures.search import Indices

BINS = 15  # as in the tables of Guo et al.

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Reliability:
    """The result of `reliability`.

    Attributes
    ----------
    predicted, observed, weight : (k,) float64
        Of each bin that is not empty, ascending: mean predicted probability, observed frequency, and fraction of the
        total weight. The first two are scikit-learn's `calibration_curve` if all samples weigh the same.
    ece : float
        Expected calibration error, Σ weight · |observed − predicted| over the bins (Guo et al., ICML 2017, equation 3).
    brier : float
        Mean of (probability − outcome)² (Brier, 1950, for two outcomes). Unlike `ece` it is also lower if certain
        answers are separated from uncertain ones.
    """

    predicted: Floats
    observed: Floats
    weight: Floats
    ece: float
    brier: float

    def to_json(self) -> list[dict[str, float]]:
        """The curve, one dict for each bin."""
        columns = (self.predicted.tolist(), self.observed.tolist(), self.weight.tolist())
        names = ("predicted", "observed", "weight")
        return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def reliability(
    predicted: NDArray[np.floating[Any]],
    outcomes: NDArray[np.bool_],
    weights: NDArray[np.floating[Any]] | None = None,
    *,
    bins: int = BINS,
) -> Reliability:
    """Compare predicted probabilities (n,) with outcomes (n,), in bins of equal width.

    A bin includes its upper end, and the first bin also 0. By default all samples weigh the same. Raises `ValueError`
    if the arrays differ in length, a probability is not between 0 and 1, a weight is negative, all weights are 0, or
    `bins` is below 1.
    """
    probability = np.asarray(predicted, np.float64)
    share = np.ones(len(probability)) if weights is None else np.asarray(weights, np.float64)
    if not len(probability) == len(outcomes) == len(share):
        raise ValueError("there must be one outcome and one weight for each probability")
    if not ((probability >= 0) & (probability <= 1)).all():
        raise ValueError("a probability lies between 0 and 1")
    if not (np.isfinite(share) & (share >= 0)).all() or not share.sum() > 0:
        raise ValueError("weights must not be negative, and some must be positive")
    if bins < 1:
        raise ValueError(f"bins is {bins}: it must be 1 or more")
    share = share / share.sum()
    outcome = np.asarray(outcomes, np.float64)
    bin_of = _bins_of(probability, bins)
    weight = np.bincount(bin_of, share, minlength=bins).astype(np.float64)
    sums, hits = (np.bincount(bin_of, share * each, minlength=bins) for each in (probability, outcome))
    filled = weight > 0
    return Reliability(
        predicted=sums[filled] / weight[filled],
        observed=hits[filled] / weight[filled],
        weight=weight[filled],
        ece=float(np.abs(hits - sums).sum()),
        brier=float(share @ (probability - outcome) ** 2),
    )


def _bins_of(predicted: Floats, bins: int) -> Indices:
    return np.searchsorted(np.linspace(0, 1, bins + 1)[1:-1], predicted).astype(np.int64)


def resample_gaps(predicted: Floats, outcomes: NDArray[np.bool_], subject: Indices, weights: Weights) -> Values:
    """Compute outcomes minus predictions in each bin and resample, divided by the total weight of the resample.

    (n,), (n,), (n,), (resamples, subjects) → (resamples, bins). The expected calibration error of a resample is the sum
    of the absolute values.
    """
    subjects = weights.shape[1]
    cell = subject * BINS + _bins_of(predicted, BINS)
    of_subject = np.bincount(cell, outcomes - predicted, minlength=subjects * BINS).reshape(subjects, BINS)
    counts = np.bincount(subject, minlength=subjects).astype(np.float64)
    return np.asarray((weights @ of_subject) / (weights @ counts)[:, None], np.float64)


def ece_interval(resampled: Values, gaps: Floats) -> Interval | None:
    """Compute the interval of an expected calibration error.

    Chance makes bins err that are calibrated, and in a resample twice so: percentiles of the resamples often lie above
    the figure itself, and would never include a true error of 0. The upper end is the percentile nevertheless. The
    lower end is the figure minus the same percentile of Σ |change of a bin|, which bounds what chance adds (triangle
    inequality).

    `resampled`, (resamples, bins), comes from `resample_gaps`; `gaps`, (bins,), is the same for the probes themselves.
    None if the resamples do not vary.
    """
    point = float(np.abs(gaps).sum())
    high = float(np.quantile(np.abs(resampled).sum(axis=1), (1 + CONFIDENCE) / 2))
    change = float(np.quantile(np.abs(resampled - gaps).sum(axis=1), (1 + CONFIDENCE) / 2))
    ends = Interval(max(0.0, point - change), max(high, point))
    return None if ends.high - ends.low < ROUNDING else ends
