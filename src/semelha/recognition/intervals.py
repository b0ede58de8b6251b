"""How far the rate that a calibration gives may lie from the rate that was asked for."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def rate_interval(
    rate: float, n: int, *, effect: float = 1.0, trials: int | None = None, confidence: float = 0.95
) -> tuple[float, float]:
    """Where the false-positive rate of a conformal rule lies.

    Of n independent scores the rule keeps what is below the k-th, k = rate · (n + 1); the rate that it then has is
    distributed as Beta(k, n + 1 − k) (Vovk, ACML 2012, section 2). Where the scores hang together, n is divided by the
    design effect (Kish, 1965). The lower end is that of k − 1, as in the interval of Clopper and Pearson, for p-values
    are coarse.

    Parameters
    ----------
    rate : float
        That was asked for.
    n : int
        Scores.
    effect : float
        Variance of a count among these scores, as a multiple of that among independent ones.
    trials : int, optional
        Strangers on whom the rate will be measured: the interval is then that of what is measured. Without, it is that
        of the rate in the long run.
    confidence : float
    """
    from scipy.special import betaincinv  # here, because identification does not need it

    size = 1 / (effect / n + (1 / trials if trials else 0))
    k = rate * (size + 1)
    tail = (1 - confidence) / 2
    low = float(betaincinv(k - 1, size + 2 - k, tail)) if k > 1 else 0.0
    return low, float(betaincinv(k, size + 1 - k, 1 - tail))


def design_effect(scores: NDArray[np.float64], neighbors: NDArray[np.int64], rate: float) -> float:
    """1 + the part, among the lowest scores that a rate lets pass, of those that come in pairs.

    Two subjects that are each other's nearest have nearly the same score, and are counted together or not at all.

    Parameters
    ----------
    scores : (n,) float64
    neighbors : (n,) int64
        The place of the nearest other subject of each; −1 where it has none here.
    rate : float
    """
    low = np.argsort(scores, kind="stable")[: max(1, int(rate * (len(scores) + 1) + 1e-9))]
    mutual = (neighbors[low] >= 0) & (neighbors[neighbors[low]] == low)
    return 1 + float(np.mean(mutual & (scores[neighbors[low]] <= scores[low].max())))
