"""Is what was said with 90% probability right nine times in ten?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semelha.measures.bootstrap import LEVEL, ROUNDING, Draws, Interval, Places, Weights

BINS = 15  # as in the tables of Guo et al.

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Reliability:
    """What `reliability` found.

    Attributes
    ----------
    said, right, weight : (k,) float64
        Of each bin that is not empty, ascending: mean of the probabilities that were said, part that is right, and part
        of the whole weight. Equal to scikit-learn's `calibration_curve` where all weigh the same.
    ece : float
        Expected calibration error, Σ weight · |right − said| over the bins (Guo et al., ICML 2017, equation 3).
    brier : float
        Mean of (probability − outcome)² (Brier, 1950, for two outcomes). Unlike `ece` it is lower, too, where sure
        answers are told from unsure ones.
    """

    said: Floats
    right: Floats
    weight: Floats
    ece: float
    brier: float

    def to_json(self) -> list[dict[str, float]]:
        """The curve, a dict for each bin."""
        columns = (self.said.tolist(), self.right.tolist(), self.weight.tolist())
        return [dict(zip(("said", "right", "weight"), row, strict=True)) for row in zip(*columns, strict=True)]


def reliability(
    said: NDArray[np.floating[Any]],
    right: NDArray[np.bool_],
    weights: NDArray[np.floating[Any]] | None = None,
    *,
    bins: int = BINS,
) -> Reliability:
    """Compare probabilities with what came out, in bins of equal width.

    Parameters
    ----------
    said : (n,) float
        Probabilities; a bin holds its upper end, and the first bin also 0.
    right : (n,) bool
    weights : (n,) float, optional
        How much each counts; equally, where not given.
    bins : int

    Raises
    ------
    ValueError
        The three differ in number, nothing has a weight, a weight is negative, a probability is none, or there is no
        bin.
    """
    probability = np.asarray(said, np.float64)
    share = np.ones(len(probability)) if weights is None else np.asarray(weights, np.float64)
    if not len(probability) == len(right) == len(share):
        raise ValueError("there must be one outcome and one weight for each probability")
    if not ((probability >= 0) & (probability <= 1)).all():
        raise ValueError("a probability lies between 0 and 1")
    if not (np.isfinite(share) & (share >= 0)).all() or not share.sum() > 0:
        raise ValueError("weights are not negative, and some are positive")
    if bins < 1:
        raise ValueError(f"there is 1 bin or more, and not {bins}")
    share = share / share.sum()
    outcome = np.asarray(right, np.float64)
    bin_of = bins_of(probability, bins)
    weight = np.bincount(bin_of, share, minlength=bins).astype(np.float64)
    sums, hits = (np.bincount(bin_of, share * each, minlength=bins) for each in (probability, outcome))
    some = weight > 0
    return Reliability(
        said=sums[some] / weight[some],
        right=hits[some] / weight[some],
        weight=weight[some],
        ece=float(np.abs(hits - sums).sum()),
        brier=float(share @ (probability - outcome) ** 2),
    )


def bins_of(said: Floats, bins: int = BINS) -> Places:
    """The bin, from 0, of each probability: (n,) → (n,)."""
    return np.searchsorted(np.linspace(0, 1, bins + 1)[1:-1], said).astype(np.int64)


def gaps(said: Floats, right: NDArray[np.bool_], subject: Places, weights: Weights) -> Draws:
    """By how much the sum of outcomes is above what was said, in each bin and draw, divided by all that counts.

    (n,), (n,), (n,), (draws, subjects) → (draws, bins). The ECE of a draw is the sum over its bins, without sign.
    """
    subjects = weights.shape[1]
    place = subject * BINS + bins_of(said)
    of_subject = np.bincount(place, right - said, minlength=subjects * BINS).reshape(subjects, BINS)
    counts = np.bincount(subject, minlength=subjects).astype(np.float64)
    return np.asarray((weights @ of_subject) / (weights @ counts)[:, None], np.float64)


def error_interval(drawn: Draws, found: Floats) -> Interval | None:
    """Of an expected calibration error, from `gaps` in each draw, (draws, bins), and on the probes themselves, (bins,).

    Chance makes bins err that are right, so that the error of a draw is too high, and twice so: percentiles of draws
    often lie above the figure itself. The upper end is that percentile nevertheless, but the lower is the figure less
    the same percentile of Σ |how far a bin moves|, the most by which chance alone can have raised it (the triangle
    inequality). Percentiles on both sides would never hold a true error of 0.

    Returns
    -------
    Interval or None
        None where no draw differs.
    """
    point = float(np.abs(found).sum())
    high = float(np.quantile(np.abs(drawn).sum(axis=1), (1 + LEVEL) / 2))
    moved = float(np.quantile(np.abs(drawn - found).sum(axis=1), (1 + LEVEL) / 2))
    ends = Interval(max(0.0, point - moved), max(high, point))
    return None if ends.high - ends.low < ROUNDING else ends
