"""Confidence intervals of the rate that a calibration achieves."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def rate_interval(
    rate: float, n: int, *, effect: float = 1.0, trials: int | None = None, confidence: float = 0.95
) -> tuple[float, float]:
    """Interval of the false-positive rate of a conformal rule.

    With n independent scores the rule accepts scores below the k-th, k = rate · (n + 1), and its rate is distributed as
    Beta(k, n + 1 − k) (Vovk, ACML 2012, section 2). For dependent scores n is divided by the design effect (Kish,
    1965). The lower end is that of k − 1, as in the Clopper–Pearson interval, because p-values are discrete.

    Parameters
    ----------
    rate : float
        The requested rate.
    n : int
        Number of scores.
    effect : float
        Design effect: variance of a count of these scores, relative to independent ones.
    trials : int, optional
        Number of strangers on which the rate will be measured; the long-run rate by default.
    confidence : float
    """
    from scipy.special import betaincinv  # here, because identification does not need it

    size = 1 / (effect / n + (1 / trials if trials else 0))
    k = rate * (size + 1)
    tail = (1 - confidence) / 2
    low = float(betaincinv(k - 1, size + 2 - k, tail)) if k > 1 else 0.0
    return low, float(betaincinv(k, size + 1 - k, 1 - tail))


def design_effect(scores: NDArray[np.float64], neighbors: NDArray[np.int64], rate: float) -> float:
    """Design effect of scores of which some come in pairs.

    Two subjects that are each other's nearest have nearly the same score. The effect is 1 + the fraction of such pairs
    among the scores that the rate accepts.

    Parameters
    ----------
    scores : (n,) float64
    neighbors : (n,) int64
        Row of the nearest other subject of each; −1 if it has none.
    rate : float
    """
    low = np.argsort(scores, kind="stable")[: max(1, int(rate * (len(scores) + 1) + 1e-9))]
    mutual = (neighbors[low] >= 0) & (neighbors[neighbors[low]] == low)
    return 1 + float(np.mean(mutual & (scores[neighbors[low]] <= scores[low].max())))
